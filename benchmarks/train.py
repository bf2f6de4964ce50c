"""Whole training steps: forward, loss, backward, optimizer. The losses of the first steps must be equal.

The initial weights are not copied: both libraries draw them after `manual_seed(0)`. For the MLP there are also steps
in JAX, tinygrad, autograd and MyGrad, as their users would write them; these get minitorch's initial weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .case import Case
from .libraries import Library
from .networks import NETWORKS, QUICK_NETWORKS, Network, training_step

STEPS = 3  # losses compared
# The weights of both libraries differ in their last bits after the first step; this much of the loss itself.
TOLERANCE = 2e-5


def initial_weights() -> list[np.ndarray]:
    """The MLP's, as (in, out) matrices and biases: W1, b1, W2, b2."""
    import minitorch

    minitorch.manual_seed(0)
    return [
        np.ascontiguousarray(parameter.detach().numpy().T)
        for parameter in NETWORKS["MLP"].build(minitorch).parameters()
    ]


def descend(loss_and_gradients: Callable, weights: list[Any]) -> Callable[[], Any]:
    """A step of plain gradient descent; the weights are replaced by new ones."""
    lr = np.float32(NETWORKS["MLP"].optimizer[1]["lr"])

    def step():
        loss, gradients = loss_and_gradients(weights)
        weights[:] = [w - lr * g for w, g in zip(weights, gradients, strict=True)]
        return loss

    return step


def jax_step(library: Library) -> Callable[[], Any]:
    jax, jnp = library.module, library.module.numpy
    inputs, targets = map(library.tensor, NETWORKS["MLP"].data())
    lr = NETWORKS["MLP"].optimizer[1]["lr"]

    def loss_of(weights):
        w1, b1, w2, b2 = weights
        logits = jax.nn.relu(inputs @ w1 + b1) @ w2 + b2
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], 1))

    @jax.jit
    def update(weights):
        loss, gradients = jax.value_and_grad(loss_of)(weights)
        return loss, [w - lr * g for w, g in zip(weights, gradients, strict=True)]

    state = [[library.tensor(w) for w in initial_weights()]]

    def step():
        loss, state[0] = update(state[0])
        return loss

    return step


def autograd_step(library: Library) -> Callable[[], Any]:
    import autograd.numpy as anp
    from autograd import value_and_grad

    inputs, targets = NETWORKS["MLP"].data()
    rows = np.arange(len(targets))

    def loss_of(weights):
        w1, b1, w2, b2 = weights
        logits = anp.maximum(anp.dot(inputs, w1) + b1, 0) @ w2 + b2
        logits = logits - anp.max(logits, axis=1, keepdims=True)
        return -anp.mean(logits[rows, targets] - anp.log(anp.sum(anp.exp(logits), axis=1)))

    return descend(value_and_grad(loss_of), initial_weights())


def mygrad_step(library: Library) -> Callable[[], Any]:
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    mygrad = library.module
    inputs, targets = NETWORKS["MLP"].data()

    def loss_and_gradients(weights):
        w1, b1, w2, b2 = tensors = [mygrad.tensor(w) for w in weights]
        loss = softmax_crossentropy(relu(inputs @ w1 + b1) @ w2 + b2, targets)
        loss.backward()
        return loss.data, [tensor.grad for tensor in tensors]

    return descend(loss_and_gradients, initial_weights())


def tinygrad_step(library: Library) -> Callable[[], Any]:
    from tinygrad import Context, TinyJit
    from tinygrad.nn.optim import SGD

    inputs, targets = map(library.tensor, NETWORKS["MLP"].data())
    w1, b1, w2, b2 = weights = [library.tensor(w) for w in initial_weights()]
    optimizer = SGD(weights, lr=NETWORKS["MLP"].optimizer[1]["lr"])

    @TinyJit
    def step():
        with Context(TRAINING=1):
            optimizer.zero_grad()
            loss = ((inputs @ w1 + b1).relu() @ w2 + b2).sparse_categorical_crossentropy(targets)
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    return step


MLP_STEPS = {"jax": jax_step, "tinygrad": tinygrad_step, "autograd": autograd_step, "mygrad": mygrad_step}


def maker(name: str, network: Network):
    def make(library: Library):
        if name == "MLP" and library.name in MLP_STEPS:
            return MLP_STEPS[library.name](library)
        return training_step(network, library.module, *map(library.tensor, network.data()))

    return make


def case(name: str) -> Case:
    network = NETWORKS[name]
    others = tuple(MLP_STEPS) if name == "MLP" else ()
    shape = "x".join(map(str, network.batch))
    return Case(
        name,
        f"{name}, batch {shape}, {network.optimizer[0]}",
        maker(name, network),
        ("torch", *others),
        compared=STEPS,
        tolerance=TOLERANCE,
        shown=True,
    )


def cases(quick: bool) -> Iterator[Case]:
    for name in QUICK_NETWORKS if quick else NETWORKS:
        yield case(name)
