"""The rest of a training step, at training sizes: each operation forward, and forward with its gradients.

An operation is written once and run by minitorch and by torch. Forward rows record nothing; the others ask
`autograd.grad` for the gradients of all floating-point inputs and parameters, for a random cotangent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .case import Case
from .libraries import Library


@dataclass(frozen=True)
class Op:
    """build: given the library's namespace, the function of the tensors that is timed (a module, if it has parameters).

    inputs: a shape for normal random numbers; ("integers", high, shape) for indices below `high`; ("distinct", shape) for
    numbers in random order without ties, whose order torch's sort leaves open.
    gradients: whether there is a row with gradients too.
    """

    group: str
    name: str
    build: Callable[[Any], Callable]
    inputs: tuple
    gradients: bool = True


def functional(name: str, **options) -> Callable[[Any], Callable]:
    return lambda lib: lambda *tensors: getattr(lib.nn.functional, name)(*tensors, **options)


def function(name: str, *arguments, **options) -> Callable[[Any], Callable]:
    return lambda lib: lambda tensor, *tensors: getattr(lib, name)(tensor, *tensors, *arguments, **options)


def module(name: str, *arguments, **options) -> Callable[[Any], Callable]:
    def build(lib):
        lib.manual_seed(0)
        return getattr(lib.nn, name)(*arguments, **options)

    return build


MILLION = (1024, 1024)
IMAGES = (32, 64, 32, 32)
TOKENS = (8, 128, 512)
HEADS = (8, 8, 128, 64)  # 64 heads of 128 queries, 64 wide


def norms() -> Iterator[Op]:
    yield Op("norms", "batch_norm 32x64x32x32", module("BatchNorm2d", 64), (IMAGES,))
    yield Op("norms", "batch_norm 64x512x4x4", module("BatchNorm2d", 512), ((64, 512, 4, 4),))
    yield Op("norms", "batch_norm 256x1024", module("BatchNorm1d", 1024), ((256, 1024),))
    yield Op("norms", "layer_norm 1024x128", module("LayerNorm", 128), ((1024, 128),))
    yield Op("norms", "layer_norm 1024x512", module("LayerNorm", 512), (TOKENS,))
    yield Op("norms", "group_norm 8 of 32x64x32x32", module("GroupNorm", 8, 64), (IMAGES,))
    yield Op("norms", "instance_norm 32x64x32x32", functional("instance_norm"), (IMAGES,))
    yield Op("norms", "rms_norm 1024x512", module("RMSNorm", 512), (TOKENS,))


def softmax_and_losses() -> Iterator[Op]:
    for shape in ((64, 10), (1024, 1000), (64, 128, 128)):
        yield Op("softmax", f"softmax {text(shape)}", functional("softmax", dim=-1), (shape,))
    yield Op("softmax", "softmax over channels 16x21x64x64", functional("softmax", dim=1), ((16, 21, 64, 64),))
    yield Op("softmax", "log_softmax 1024x1000", functional("log_softmax", dim=-1), ((1024, 1000),))
    yield Op("softmax", "logsumexp 1024x1000", function("logsumexp", dim=-1), ((1024, 1000),))
    for rows, classes in ((64, 10), (1024, 65), (256, 1000), (512, 8192)):
        integers = ("integers", classes, (rows,))
        yield Op("losses", f"cross_entropy {rows}x{classes}", functional("cross_entropy"), ((rows, classes), integers))
    smooth = functional("cross_entropy", label_smoothing=0.1)
    yield Op("losses", "cross_entropy smoothed 256x1000", smooth, ((256, 1000), ("integers", 1000, (256,))))
    yield Op("losses", "mse_loss 1024x1024", functional("mse_loss"), (MILLION, MILLION))
    yield Op("losses", "l1_loss 1024x1024", functional("l1_loss"), (MILLION, MILLION))
    yield Op("losses", "bce_with_logits 1024x1024", binary_cross_entropy, (MILLION,))


def binary_cross_entropy(lib) -> Callable:
    lib.manual_seed(0)
    targets = lib.rand(MILLION).round()
    return lambda logits: lib.nn.functional.binary_cross_entropy_with_logits(logits, targets)


def pooling() -> Iterator[Op]:
    yield Op("pooling", "max_pool 2 on 64x6x24x24", functional("max_pool2d", kernel_size=2), ((64, 6, 24, 24),))
    large = (16, 64, 112, 112)
    stem = functional("max_pool2d", kernel_size=3, stride=2, padding=1)
    yield Op("pooling", "max_pool 3 /2 on 16x64x112x112", stem, (large,))
    quick = functional("max_pool2d", kernel_size=3, stride=2, ceil_mode=True)
    yield Op("pooling", "max_pool 3 /2 on 64x32x32x32", quick, ((64, 32, 32, 32),))
    yield Op("pooling", "avg_pool 2 on 16x64x112x112", functional("avg_pool2d", kernel_size=2), (large,))
    yield Op(
        "pooling",
        "avg_pool 3 /2 on 64x32x16x16",
        functional("avg_pool2d", kernel_size=3, stride=2),
        ((64, 32, 16, 16),),
    )
    yield Op(
        "pooling", "global average 32x512x7x7", functional("adaptive_avg_pool2d", output_size=1), ((32, 512, 7, 7),)
    )


def attention() -> Iterator[Op]:
    run = "scaled_dot_product_attention"
    yield Op("attention", "64 heads 128x64", functional(run), (HEADS,) * 3)
    yield Op("attention", "64 heads 128x64, causal", functional(run, is_causal=True), (HEADS,) * 3)

    def masked(lib):
        keep = lib.ones(128, 128).tril().bool()
        return lambda q, k, v: getattr(lib.nn.functional, run)(q, k, v, attn_mask=keep)

    yield Op("attention", "64 heads 128x64, masked", masked, (HEADS,) * 3)
    yield Op("attention", "32 heads 128x32, causal", functional(run, is_causal=True), ((8, 4, 128, 32),) * 3)
    yield Op("attention", "8 heads 1024x64, causal", functional(run, is_causal=True), ((1, 8, 1024, 64),) * 3)
    yield Op("attention", "24 heads 65x64", functional(run), ((8, 3, 65, 64),) * 3)


def activations() -> Iterator[Op]:
    for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus", "hardswish", "mish"):
        yield Op("activations", f"{name} 1024x1024", functional(name), (MILLION,))
    yield Op("activations", "gelu (tanh) 1024x1024", functional("gelu", approximate="tanh"), (MILLION,))
    yield Op("activations", "relu 64x120", functional("relu"), ((64, 120),))
    yield Op("activations", "dropout 1024x1024", dropout, (MILLION,))


def dropout(lib) -> Callable:
    lib.manual_seed(0)
    return lambda x: lib.nn.functional.dropout(x, 0.1, training=True)


def elementwise() -> Iterator[Op]:
    for name in ("exp", "sin", "sqrt", "abs"):
        positive = name == "sqrt"
        build = (lambda lib: lambda x: (x * x + 1).sqrt()) if positive else function(name)
        yield Op("elementwise", f"{'sqrt(x*x + 1)' if positive else name} 1024x1024", build, (MILLION,))
    yield Op("elementwise", "x + y 1024x1024", lambda lib: lambda x, y: x + y, (MILLION, MILLION))
    yield Op("elementwise", "x * y 1024x1024", lambda lib: lambda x, y: x * y, (MILLION, MILLION))
    yield Op("elementwise", "x / (1 + y*y) 1024x1024", lambda lib: lambda x, y: x / (1 + y * y), (MILLION, MILLION))
    yield Op("elementwise", "images + bias 32x64x32x32", lambda lib: lambda x, b: x + b, (IMAGES, (64, 1, 1)))
    yield Op(
        "elementwise", "where(x > 0, x, y) 1024x1024", lambda lib: lambda x, y: lib.where(x > 0, x, y), (MILLION,) * 2
    )


def reductions() -> Iterator[Op]:
    for dims, label in ((None, "all"), (0, "rows"), (1, "columns")):
        for name in ("sum", "var"):
            yield Op("reductions", f"{name} over {label} 1024x1024", function(name, dim=dims), (MILLION,))
    yield Op("reductions", "sum but channels 32x64x32x32", function("sum", dim=(0, 2, 3)), (IMAGES,))
    yield Op("reductions", "mean over pixels 32x64x32x32", function("mean", dim=(2, 3)), (IMAGES,))
    yield Op("reductions", "max over columns 1024x1024", lambda lib: lambda x: x.max(1).values, (MILLION,))
    yield Op("reductions", "amax over rows 1024x1024", function("amax", dim=0), (MILLION,))
    yield Op("reductions", "argmax over columns 1024x1024", function("argmax", dim=1), (MILLION,), gradients=False)
    yield Op("reductions", "norm 1024x1024", lambda lib: lambda x: lib.linalg.vector_norm(x), (MILLION,))
    yield Op("reductions", "cumsum over columns 1024x1024", function("cumsum", dim=1), (MILLION,))
    yield Op(
        "reductions", "sort 256x1000", lambda lib: lambda x: lib.sort(x, dim=1).values, (("distinct", (256, 1000)),)
    )
    yield Op("reductions", "topk 5 of 256x1000", lambda lib: lambda x: lib.topk(x, 5, dim=1).values, ((256, 1000),))


def moves() -> Iterator[Op]:
    tokens = ("integers", 8192, (8, 128))
    embed = lambda lib: lambda index, weight: lib.nn.functional.embedding(index, weight)  # noqa: E731
    yield Op("moves", "embedding 8x128 of 8192x512", embed, (tokens, (8192, 512)))
    yield Op("moves", "embedding 8x128 of 65x128", embed, (("integers", 65, (8, 128)), (65, 128)))
    rows = ("integers", 1024, (512,))
    yield Op("moves", "index_select 512 of 1024x1024", lambda lib: lambda x, i: x.index_select(0, i), (MILLION, rows))
    yield Op("moves", "x[i] 512 of 1024x1024", lambda lib: lambda x, i: x[i], (MILLION, rows))
    yield Op(
        "moves",
        "gather 1024x64 of 1024x1024",
        lambda lib: lambda x, i: x.gather(1, i),
        (MILLION, ("integers", 1024, (1024, 64))),
    )
    yield Op("moves", "cat 4 of 1024x256", lambda lib: lambda *parts: lib.cat(parts, 1), ((1024, 256),) * 4)
    yield Op("moves", "transpose and copy 1024x1024", lambda lib: lambda x: x.t().contiguous(), (MILLION,))
    yield Op(
        "moves",
        "split heads 8x128x512",
        lambda lib: lambda x: x.view(8, 128, 8, 64).transpose(1, 2).contiguous(),
        (TOKENS,),
    )
    yield Op("moves", "pad 1 around 32x64x32x32", functional("pad", pad=(1, 1, 1, 1)), (IMAGES,))
    yield Op(
        "moves",
        "upsample 2x 16x64x32x32",
        functional("interpolate", scale_factor=2, mode="nearest"),
        ((16, 64, 32, 32),),
    )
    bilinear = functional("interpolate", scale_factor=2, mode="bilinear", align_corners=False)
    yield Op("moves", "upsample bilinear 16x64x32x32", bilinear, ((16, 64, 32, 32),))


def recurrent() -> Iterator[Op]:
    state = (64, 256)
    yield Op("recurrent", "RNNCell 64x128-256", module("RNNCell", 128, 256), ((64, 128), state))
    yield Op("recurrent", "GRUCell 64x128-256", module("GRUCell", 128, 256), ((64, 128), state))
    cell = module("LSTMCell", 128, 256)
    yield Op("recurrent", "LSTMCell 64x128-256", lambda lib: Paired(cell(lib)), ((64, 128), state, state))
    for name in ("RNN", "GRU", "LSTM"):
        yield Op("recurrent", f"{name} 32 steps 32x64-128", module(name, 64, 128), ((32, 32, 64),))


@dataclass(frozen=True)
class Paired:
    """An LSTM cell that takes hidden and cell state as two tensors instead of a pair."""

    cell: Callable

    def __call__(self, x, h, c):
        return self.cell(x, (h, c))

    def parameters(self):
        return self.cell.parameters()


FAMILIES = (norms, softmax_and_losses, pooling, attention, activations, elementwise, reductions, moves, recurrent)


def text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def values(op: Op) -> Iterator[np.ndarray]:
    """The inputs, the same for every library."""
    draw = np.random.default_rng(0)
    for given in op.inputs:
        if given[0] == "integers":
            yield draw.integers(given[1], size=given[2])
        elif given[0] == "distinct":
            yield draw.permutation(prod(given[1])).reshape(given[1]).astype(np.float32)
        else:
            yield draw.standard_normal(given).astype(np.float32)


def forward(op: Op):
    def make(library: Library):
        run, inputs = op.build(library.module), [library.tensor(value) for value in values(op)]
        for parameter in parameters(run):
            parameter.requires_grad_(False)
        return lambda: run(*inputs)

    return make


def with_gradients(op: Op):
    def make(library: Library):
        run, inputs = op.build(library.module), [library.tensor(value) for value in values(op)]
        wanted = [tensor.requires_grad_() for tensor in inputs if tensor.is_floating_point()] + parameters(run)
        first = main_result(run(*inputs))
        cotangent = np.asarray(np.random.default_rng(1).standard_normal(tuple(first.shape)), np.float32)
        g, grad = library.tensor(cotangent), library.module.autograd.grad

        def step():
            return grad(main_result(run(*inputs)), wanted, g)

        return step

    return make


def parameters(run: Callable) -> list:
    return list(run.parameters()) if hasattr(run, "parameters") else []


def main_result(result: Any) -> Any:
    """The output itself where a module returns its last state too."""
    return result[0] if isinstance(result, tuple) else result


def operations() -> list[Op]:
    return [op for family in FAMILIES for op in family()]


def cases(quick: bool) -> Iterator[Case]:
    """Every operation; quick: the first two of each group."""
    seen: dict[str, int] = {}
    for op in operations():
        seen[op.group] = seen.get(op.group, 0) + 1
        if quick and seen[op.group] > 2:
            continue
        yield Case(op.group, op.name, forward(op), about={"pass": "forward"})
        if op.gradients:
            yield Case(op.group, op.name, with_gradients(op), about={"pass": "with gradients"})
