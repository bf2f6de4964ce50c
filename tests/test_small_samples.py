"""Every operation on one small sample of torch's database, changed into what the database does not try.

In every narrow type, and with two floating types mixed: what is refused, the result's type, shape and values are
torch's; and every primitive that runs meanwhile computes half types in float32 and rounds once at the end.

On small whole numbers, where ties, kinks, zeros and bounds are the rule (random floats never meet a bound of `hardtanh`
and never tie in `max`): values and gradients are torch's.
"""

import functools
import itertools
import math
import warnings
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

import minitorch  # noqa: E402
import minitorch.kernels  # noqa: E402
from minitorch.core.state import state  # noqa: E402
from minitorch.core.tensor import Tensor, wrap  # noqa: E402
from minitorch.dtypes import NUMPY_HALF  # noqa: E402
from minitorch.nn import functional as F  # noqa: E402
from parity import checks, database  # noqa: E402
from parity.exceptions import known  # noqa: E402

NARROW = ("float16", "bfloat16", "int64", "bool")
MIXED = ("float64",)  # the first tensor's type, where the others are float32
NOT_ONCE = {
    "write_view",  # addresses memory: its parameters count bytes
    "add_at", "sum_windows",  # add up within the half type itself
}  # fmt: skip
MANY = 100  # more than a call has tensors


@functools.lru_cache(maxsize=2)
def two_dozen(name, dtype):
    return database.samples(database.infos()[name], dtype, limit=24, made=24)


def large_sample(info, dtype):
    """The one with the most elements, so that there is something to add up."""
    return max(
        two_dozen(info.full_name, dtype), key=lambda s: min(sum(t.numel() for t in checks.tensors_in(s.args)), 10**4)
    )


def small_samples(info, dtype):
    """Of every way to call the operation (which parameters are given, and of what types) the first sample in memory.

    Its tensors should have elements, the first of them more than one.
    """
    first = {}
    for sample in two_dozen(info.full_name, dtype):
        sizes = [t.numel() for t in checks.tensors_in(sample.args)]
        if sizes and sizes[0] > 1 and all(sizes):
            first.setdefault((*map(type, sample.args), *sorted(sample.kwargs)), sample)
    return list(first.values()) or database.samples(info, dtype, limit=1, made=1)


def cast(value, dtypes, source):
    """`value` with every tensor of dtype `source` in the next of `dtypes`."""
    if isinstance(value, torch.Tensor) and value.dtype == source:
        dtype = next(dtypes)
        if dtype == torch.bool:
            return value.detach() > 0
        return value.detach().to(dtype).requires_grad_(value.requires_grad and dtype.is_floating_point)
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return type(value)(cast(item, dtypes, source) for item in value)
    if isinstance(value, dict):
        return {key: cast(item, dtypes, source) for key, item in value.items()}
    return value


def in_types(sample, dtypes, source):
    dtypes, source = iter([getattr(torch, name) for name in dtypes]), getattr(torch, source)
    dtypes = itertools.chain(dtypes, itertools.repeat(source))
    return replace(sample, args=cast(sample.args, dtypes, source), kwargs=cast(sample.kwargs, dtypes, source))


def widened(x):
    return wrap(x.array.astype(np.float32)) if isinstance(x, Tensor) and x.array.dtype in NUMPY_HALF else x


def listed(value):
    return value if isinstance(value, tuple) else (value,)


@contextmanager
def watching(different):
    """Meanwhile compare each primitive on half types with itself in float32, rounded."""

    def watch(op, inputs, params):
        state.trace = None
        try:
            out = op.call(*inputs, **params)
            halves = {x.array.dtype for x in inputs if isinstance(x, Tensor)} & set(NUMPY_HALF)
            if halves and op.name not in NOT_ONCE:
                wide = op.call(*map(widened, inputs), **params)
                for a, b in zip(listed(out), listed(wide), strict=True):
                    rounded = b.array.astype(a.array.dtype).astype(np.float64)
                    if not np.array_equal(rounded, a.array.astype(np.float64), equal_nan=True):
                        different.append(f"{op.name} of {' and '.join(map(str, halves))} is not rounded once")
            return out
        finally:
            state.trace = watch

    state.trace = watch
    try:
        yield
    finally:
        state.trace = None


NAMES = database.select(None, [])


@pytest.mark.parametrize("name", NAMES)
def test_narrow_types(name):
    info = database.infos()[name]
    (source, *_) = database.dtypes_for(info, ("float32", "int64", "bool"), "cpu")
    sample = small_samples(info, source)[0]
    cases = [[dtype] * MANY for dtype in database.dtypes_for(info, NARROW, "cpu")]
    if source == "float32":
        cases += [[dtype] for dtype in database.dtypes_for(info, MIXED, "cpu")]
    typed = [(in_types(sample, dtypes, source), dtypes) for dtypes in cases]
    for dtype, most in (("int64", 3), ("bool", 1)):  # as torch's tests make them: no division by zero
        if dtype != source and database.dtypes_for(info, (dtype,), "cpu"):
            typed += [(sample, (dtype,)) for sample in small_samples(info, dtype)[:most]]
    large, different = large_sample(info, source), []
    with warnings.catch_warnings(), watching(different):
        warnings.simplefilter("ignore")
        for dtypes in cases:
            if dtypes[0] in ("float16", "bfloat16"):
                in_types(large, dtypes, source).both(info.op)[0].run()
        for given, dtypes in typed:
            for check, found in itertools.islice(checks.check_forward(given), 2):
                lacking = found and "not implemented for" in str(found.theirs)  # torch has no kernel for the type
                if found and not lacking and not known(name, check, dtypes[0], found):
                    different.append(f"{check} of {given}: {found.message}")
    assert not different, "\n".join(different)


SUMS = {  # so long that rounding within a half type would show
    "mean": lambda half: half(3000).mean(),
    "logcumsumexp": lambda half: half(3000).logcumsumexp(0),
    "cumprod": lambda half: half(30).cumprod(0),
    "conv1d": lambda half: F.conv1d(half(2, 100, 60), half(5, 100, 9)),
    "conv2d": lambda half: F.conv2d(half(2, 30, 12, 12), half(5, 30, 5, 5)),
    "conv3d": lambda half: F.conv3d(half(2, 10, 6, 6, 6), half(3, 10, 4, 4, 4)),
    "fold": lambda half: F.fold(half(1, 50, 36), (10, 10), 5),
    "avg_pool3d": lambda half: F.avg_pool3d(half(1, 2, 12, 12, 12), 5, 1),
    "nll_loss": lambda half: F.nll_loss(half(3000, 7), minitorch.arange(3000) % 7, half(7).detach().abs()),
    "ctc_loss": lambda half: F.ctc_loss(
        half(20, 3, 6).log_softmax(-1), 1 + minitorch.arange(15).reshape(3, 5) % 5, (20, 20, 20), (5, 5, 5)
    ),
    "histc": lambda half: half(300).detach().histc(),
}


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("dtype", NUMPY_HALF)
def test_half_types_are_computed_in_float32(name, dtype):
    rng, leaves, different = np.random.default_rng(0), [], []

    def half(*shape):
        leaves.append(wrap(rng.standard_normal(shape).astype(dtype)).requires_grad_())
        return leaves[-1]

    with watching(different):
        z = SUMS[name](half)
        if z.requires_grad:
            z.backward(minitorch.ones_like(z))
    assert not different, "\n".join(different)


def whole(value):
    """Floats as whole numbers: those of tensors from -3 to 3, parameters rounded."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return (value.detach().round().remainder(7) - 3).requires_grad_(value.requires_grad)
    if isinstance(value, float) and math.isfinite(value):
        return float(round(value)) if abs(value) >= 1 else value
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return type(value)(map(whole, value))
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return value


UNDEFINED = {
    "sort", "argsort", "msort", "topk",  # the order of equal elements
    "linalg.lstsq", "linalg.lstsq.grad_oriented",  # of several solutions
    "linalg.svd", "svd",  # of equal singular values
    "lgamma", "digamma",  # at their poles torch gives what rounding leaves
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNDEFINED])
def test_whole_numbers(name):
    info = database.infos()[name]
    if not database.dtypes_for(info, ("float64",), "cpu"):
        pytest.skip("takes no floats")
    for k, sample in enumerate(small_samples(info, "float64")[:4]):
        given = replace(sample, args=whole(sample.args), kwargs=whole(sample.kwargs))
        for kernels in ("auto", "numpy")[: 2 if k == 0 else 1]:
            with warnings.catch_warnings(), minitorch.kernels.use(kernels):
                warnings.simplefilter("ignore")
                for check, found in itertools.islice(checks.check_forward(given), 2):
                    if found and not known(name, check, "float64", found):
                        pytest.fail(f"{check} of {given}, kernels {kernels}: {found.message}")
