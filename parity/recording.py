"""Real calls of every primitive, taken down while torch's samples run through the public operations.

A primitive such as ``conv2d_weight`` has no test case of its own in torch's database, but it is called with real
arguments whenever ``nn.functional.conv2d`` is differentiated. So the samples are run once, forward and twice backward,
with a watcher on every primitive call; the calls it saw are the primitive's cases.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import minitorch
from minitorch import kernels
from minitorch.core.op import REGISTRY, Op
from minitorch.core.state import state
from minitorch.core.tensor import Tensor, wrap
from minitorch.ops.loss import cross_entropy_of_classes
from minitorch.ops.recurrent import gru_steps, lstm_steps, rnn_steps

from . import calls, database
from .bridge import tensors_in
from .sample import Sample

MOST_ELEMENTS = 600  # per call: the properties are about rules, not about size
KEPT_CALLS = 12  # different ones per primitive
SAMPLES_EACH = 3  # run per operation, spread over its
SAMPLES_MADE = 24  # first samples


@dataclass(frozen=True)
class Recorded:
    """One call of a primitive: arrays, or Python scalars and ``None`` as they were, and the parameters."""

    op: Op
    inputs: tuple
    params: dict

    @property
    def signature(self) -> str:
        shapes = [f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray) else type(x).__name__ for x in self.inputs]
        return f"{self.op.name}({', '.join(shapes)}; {self.params})"

    def __repr__(self) -> str:
        return self.signature


@contextlib.contextmanager
def watching(seen: dict[str, dict[str, Recorded]]) -> Iterator[None]:
    """Take down every primitive call of this thread into ``seen``: name -> signature -> call."""

    def watch(op: Op, inputs: tuple, params: dict) -> Any:
        arrays = tuple(np.array(x.array) if isinstance(x, Tensor) else x for x in inputs)
        call = Recorded(op, arrays, dict(params))
        kept = seen.setdefault(op.name, {})
        size = sum(x.size for x in arrays if isinstance(x, np.ndarray))
        if len(kept) < KEPT_CALLS and size <= MOST_ELEMENTS:
            kept.setdefault(call.signature, call)
        state.trace = None
        try:
            return op.call(*inputs, **params)
        finally:
            state.trace = watch

    previous, state.trace = state.trace, watch
    try:
        yield
    finally:
        state.trace = previous


def half_rewritten(x: Tensor) -> Tensor:
    """An in-place edit of a view: its history runs through the tensor it is a view of."""
    y = x * 1
    y.narrow(0, 0, 1).mul_(x.narrow(0, 1, 1))
    return y


def ctc(x: Tensor) -> Tensor:
    """Two short sequences; torch's samples are long."""
    targets, lengths = minitorch.tensor([[1, 2], [2, 2]]), minitorch.tensor([3, 3])
    log_probs = minitorch.stack([x, x.flip(1), x.roll(1, 1)]).narrow(1, 0, 2).log_softmax(2)
    return minitorch.nn.functional.ctc_loss(log_probs, targets, lengths, minitorch.tensor([2, 1]))


def layer(x: Tensor, gates: int, with_cell: bool = False) -> tuple[Tensor, ...]:
    """The inputs of a recurrent layer: sums of 2 steps, state and weight, for 1 sequence and 2 hidden numbers."""
    numbers = minitorch.cat((x, x / 2)).view(-1)
    sums, weight = numbers[: 4 * gates].view(2, 1, 2 * gates), numbers[-4 * gates :].view(2 * gates, 2)
    h = numbers[3:5].view(1, 2)
    return (sums, h, h * 2, weight) if with_cell else (sums, h, weight)


# Short programs for the primitives that the few samples of torch's do not call. x: a positive 3 x 4 tensor below one.
PROGRAMS: tuple[Callable[[Tensor], Any], ...] = (
    half_rewritten,
    lambda x: half_rewritten(x).t() * 1,
    lambda x: (x * 1).copy_(x * x),
    lambda x: (x * 1).fill_(x.sum()),
    lambda x: minitorch.special.entr(x),
    lambda x: x.detach().view(minitorch.int64),
    lambda x: x.detach().clone().bernoulli_(x.detach()),
    lambda x: x.bernoulli(0.5),
    lambda x: minitorch.add(x, x * x, alpha=0.3),
    lambda x: minitorch.nn.functional.gelu(x, approximate="tanh"),
    lambda x: minitorch.nn.functional.batch_norm(x, x[0].detach(), x[1].detach(), x[2], x[1]),
    lambda x: minitorch.nn.functional.scaled_dot_product_attention(x, x * x, x),
    lambda x: x.prod(1),
    lambda x: minitorch.geqrf(x.detach()),
    lambda x: minitorch.cdist(x, 2 * x[:2], compute_mode="use_mm_for_euclid_dist"),
    lambda x: x.median(1),
    lambda x: x.nanmedian(1),
    lambda x: minitorch.igamma(x.detach() * 3, x),
    lambda x: minitorch.igammac(x.detach() * 3, x),
    lambda x: minitorch.poisson(x),
    lambda x: minitorch.binomial((x.detach() * 9).round(), x.detach()),
    lambda x: minitorch._standard_gamma(x),
    lambda x: minitorch._sample_dirichlet(x),
    ctc,
    # These make way for what defines them when operations are watched, so they are called by name.
    lambda x: cross_entropy_of_classes(x, minitorch.tensor([0, 2, 1]), ignore_index=-100, reduction="mean"),
    lambda x: rnn_steps(*layer(x, 1), relu=False, reverse=False),
    lambda x: lstm_steps(*layer(x, 4, with_cell=True), reverse=False)[:2],
    lambda x: gru_steps(*layer(x, 3), reverse=True)[0],
)


@cache
def recorded() -> dict[str, list[Recorded]]:
    """The calls of every primitive in the REGISTRY, by its name; an empty list for one that no sample reaches."""
    # In a thread of its own: torch's samples walk the call stack, which below a test runner is deep.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(record).result()


def record() -> dict[str, list[Recorded]]:
    seen: dict[str, dict[str, Recorded]] = {}
    with warnings.catch_warnings(), kernels.use("numpy"):  # compiling kernels would take longer than all the rest
        warnings.simplefilter("ignore")
        for name in database.select(None, []):
            info = database.infos()[name]
            for dtype in database.dtypes_for(info, None, "cpu")[:1]:
                for sample in small_samples(info, dtype):
                    take_down(sample_call(sample), seen)
        for program in PROGRAMS:
            take_down(program_call(program), seen)
    return {name: list(seen.get(name, {}).values()) for name in REGISTRY}


def small_samples(info: Any, dtype: str) -> list[Sample]:
    """A few of the first samples, small ones only: making and running them all takes minutes."""
    made = database.samples(info, dtype, made=SAMPLES_MADE)
    small = [s for s in made if sum(t.numel() for t in tensors_in([s.args, s.kwargs])) <= MOST_ELEMENTS]
    return [small[i * len(small) // SAMPLES_EACH] for i in range(SAMPLES_EACH)] if len(small) > SAMPLES_EACH else small


def sample_call(sample: Sample) -> Callable[[], calls.Call]:
    return lambda: sample.both(sample.info.op)[0]


def program_call(program: Callable) -> Callable[[], calls.Call]:
    x = wrap(np.random.default_rng(0).uniform(0.1, 0.9, (3, 4))).requires_grad_()
    return lambda: calls.Call(minitorch, program, (x,), {})


def take_down(prepare: Callable[[], calls.Call], seen: dict[str, dict[str, Recorded]]) -> None:
    """Run one call forward and twice backward; one that fails is the parity run's concern, not ours."""
    with contextlib.suppress(Exception):
        call = prepare()
        with watching(seen):
            call.run()
            if call.error or not call.leaves:
                return
            outputs = call.differentiable()
            starts = [ones_like(t) for t in outputs]
            calls.gradient(minitorch, outputs, call.leaves, starts)
            grads = calls.gradient(minitorch, outputs, call.leaves, starts, create_graph=True)
            live = [g for g in grads if g is not None and g.requires_grad]
            calls.gradient(minitorch, live, [*call.leaves, *starts], [ones_like(g) for g in live])


def ones_like(tensor: Any) -> Any:
    return wrap(np.ones(tensor.array.shape, tensor.array.dtype)).requires_grad_()
