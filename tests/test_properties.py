"""What must hold for every primitive, by its declaration alone: derivatives, adjoints, broadcasting, layouts.

The cases are real calls of the primitives, varied by Hypothesis. Cotangents and directions are random: ones would
hide a transposed gradient.
"""

import functools

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from hypothesis import HealthCheck, Phase, assume, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.testing._internal import common_utils  # noqa: E402, F401 - registers a profile, not allowed inside a test

import minitorch  # noqa: E402
from minitorch.core.op import REGISTRY  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from parity.harness import assert_same  # noqa: E402
from parity.strategies import (  # noqa: E402
    BOUND_TO_MEMORY,
    BY_PRODUCTS,
    LAYOUTS,
    calls_of,
    cases,
    has_slope,
    primitives,
    relaid,
    tensors,
    unreached,
)
from tests.against_torch import derivatives, lookup  # noqa: E402

few = settings(
    max_examples=3, deadline=None, derandomize=True, database=None, phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

# By declaration alone, so that collecting the tests runs nothing; the calls are recorded when the first test draws one.
SMOOTH = [name for name in primitives() if has_slope(REGISTRY[name])]
SEVERAL = [name for name in primitives("elementwise") if len(REGISTRY[name].inputs) > 1]
FUSED = [name for name in primitives() if REGISTRY[name].composite is not None]
LESS_EXACT_IN_TORCH = {"digamma": 1e-9, "lgamma": 1e-9}  # torch's trigamma is off by that much between its poles
PUBLIC_THEMSELVES = [name for name in SMOOTH if REGISTRY[name].torch]


def drawn(data, name, **options):
    """A call of the primitive. Where there is none the test is skipped: ``test_every_primitive_is_reached`` tells."""
    if not calls_of(name):
        pytest.skip("no sample calls it")
    return data.draw(cases(name, **options))


def outputs_of(op, inputs, params):
    """The float64 outputs, as a list; what is rounded to a narrower type has no slope."""
    left_out = BY_PRODUCTS.get(op.name, ())
    outputs = as_tuple(op.call(*inputs, **params))
    return [z for i, z in enumerate(outputs) if z.dtype is minitorch.float64 and i not in left_out]


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def evaluate(case, inputs):
    """The float outputs as arrays."""
    return [z.array for z in outputs_of(case.op, tensors(inputs), case.params)]


def pulled_back(case, inputs, starts, create_graph=False):
    """(tensors that moved, their gradients) for the cotangents ``starts``."""
    made = tensors(inputs, case.moving)
    outputs = outputs_of(case.op, made, case.params)
    leaves = [made[i] for i in case.moving]
    live = [(z, v) for z, v in zip(outputs, starts, strict=True) if z.requires_grad]
    if not live:
        return leaves, [None] * len(leaves)
    grads = minitorch.autograd.grad(
        [z for z, _ in live], leaves, [v for _, v in live], create_graph=create_graph, allow_unused=True
    )
    return leaves, list(grads)


def like(arrays, rng):
    return [np.asarray(rng.standard_normal(a.shape)) for a in arrays]


def inner(left, right):
    """The inner product of two lists of arrays; ``None`` stands for zeros."""
    return sum(float((a * b).sum()) for a, b in zip(left, right, strict=True) if a is not None and b is not None)


def arrays_of(grads):
    return [None if g is None else g.array for g in grads]


def moved(case, inputs, directions, step):
    inputs = list(inputs)
    for i, v in zip(case.moving, directions, strict=True):
        inputs[i] = np.asarray(inputs[i] + step * v)
    return inputs


def derivative_by_differences(f, magnitude, h=3e-5):
    """f'(0), refined; and whether f is smooth there: both sides agree, two step sizes agree, and rounding is small.

    magnitude: the size of the terms that f adds up.
    """
    at = f(0.0)
    left, right = (at - f(-h)) / h, (f(h) - at) / h
    coarse, fine = (f(h) - f(-h)) / (2 * h), (f(h / 2) - f(-h / 2)) / h
    size = 1 + abs(fine)
    smooth = np.isfinite([left, right, coarse, fine]).all() and abs(left - right) < 1e-2 * size
    return (4 * fine - coarse) / 3, smooth and abs(coarse - fine) < 1e-4 * size and magnitude * 1e-15 / h < 1e-6 * size


def largest(array):
    """The largest finite magnitude."""
    finite = np.abs(array)[np.isfinite(array)]
    return float(finite.max(initial=0.0))


def near(a, b, scale, tolerance):
    assert abs(a - b) <= tolerance * (1 + scale), f"{a} and {b}"


def test_every_primitive_is_reached():
    assert unreached() == []


@pytest.mark.parametrize("name", SMOOTH)
@few
@given(data=st.data())
def test_first_derivative(name, data):
    """The gradient is the slope, linear in the cotangent, and the adjoint of forward mode; for random u, v, w, a, b:

    <u, (f(x + hv) - f(x - hv)) / 2h>  =  <J'u, v>  =  <u, J v>,    J'(a u + b w)  =  a J'u + b J'w.
    """
    case = drawn(data, name)
    values = evaluate(case, case.inputs)
    if not (case.moving and values):
        return
    rng = case.rng
    u, w, directions = like(values, rng), like(values, rng), like([case.inputs[i] for i in case.moving], rng)
    grads = arrays_of(pulled_back(case, case.inputs, [wrap(x) for x in u])[1])
    pulled = inner(grads, directions)

    slope, smooth = derivative_by_differences(
        lambda h: inner(u, evaluate(case, moved(case, case.inputs, directions, h))),
        sum(np.abs(x * y).sum() for x, y in zip(u, values, strict=True)),
    )
    if smooth:
        near(pulled, slope, abs(slope), 1e-5)
    if np.isfinite(pulled):
        near(pushed_forward(case, directions, u), pulled, abs(pulled), 1e-9)

    a, b = rng.standard_normal(2)
    mixed = [wrap(np.asarray(a * x + b * y)) for x, y in zip(u, w, strict=True)]
    both, others = (arrays_of(pulled_back(case, case.inputs, starts)[1]) for starts in (mixed, [wrap(x) for x in w]))
    for i, found in enumerate(zip(both, grads, others, strict=True)):
        zero = np.zeros_like(case.inputs[case.moving[i]])
        whole, x, y = (zero if g is None else g for g in found)
        size = largest(a * x) + largest(b * y)
        assert_same(whole, np.asarray(a * x + b * y), rtol=1e-9, atol=1e-11 * (1 + size), where=f"input {i}")


def pushed_forward(case, directions, starts):
    """<u, J v> in forward mode."""
    forward_ad = minitorch.autograd.forward_ad
    with forward_ad.dual_level():
        made = tensors(case.inputs)
        for i, v in zip(case.moving, directions, strict=True):
            made[i] = forward_ad.make_dual(made[i], wrap(v))
        tangents = [forward_ad.unpack_dual(z).tangent for z in outputs_of(case.op, made, case.params)]
        return inner(starts, arrays_of(tangents))


@pytest.mark.parametrize("name", SMOOTH)
@few
@given(data=st.data())
def test_second_gradient_is_the_slope_of_the_gradient(name, data):
    """The slope of <w, J'(x) u> along v in x and along t in u, by differences of the first gradient."""
    case = drawn(data, name)
    values = evaluate(case, case.inputs)
    if not (case.moving and values):
        return
    rng = case.rng
    starts, along = like(values, rng), like(values, rng)
    directions = like([case.inputs[i] for i in case.moving], rng)
    weights = like([case.inputs[i] for i in case.moving], rng)

    def first(h):
        pulled = [wrap(np.asarray(u + h * t)) for u, t in zip(starts, along, strict=True)]
        return arrays_of(pulled_back(case, moved(case, case.inputs, directions, h), pulled)[1])

    magnitude = sum(np.abs(g * w).sum() for g, w in zip(first(0.0), weights, strict=True) if g is not None)
    slope, smooth = derivative_by_differences(lambda h: inner(first(h), weights), magnitude)
    assume(smooth)
    probes = [wrap(u.copy()).requires_grad_() for u in starts]
    leaves, grads = pulled_back(case, case.inputs, probes, create_graph=True)
    live = [(g, wrap(w)) for g, w in zip(grads, weights, strict=True) if g is not None and g.requires_grad]
    found = 0.0
    if live:
        second = minitorch.autograd.grad(
            [g for g, _ in live], [*leaves, *probes], [w for _, w in live], allow_unused=True
        )
        found = inner(arrays_of(second), [*directions, *along])
    near(found, slope, abs(slope), 1e-4)


@pytest.mark.parametrize("name", PUBLIC_THEMSELVES)
@few
@given(data=st.data())
def test_derivatives_are_torchs(name, data):
    """Value, gradient and second gradient of a primitive that is public itself, with random cotangents."""
    case = drawn(data, name)
    theirs = [torch.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x for x in case.inputs]
    for i in case.moving:
        theirs[i].requires_grad_()
    ours = tensors(case.inputs, case.moving)
    mine, true = case.op.call(*ours, **case.params), lookup(torch, case.op.torch[0])(*theirs, **case.params)
    assert_same(mine, true)
    leaves = [(ours[i], theirs[i]) for i in case.moving]
    if leaves and true.requires_grad:
        close = functools.partial(assert_same, rtol=LESS_EXACT_IN_TORCH.get(name))
        derivatives(leaves, [(mine, true)], 2, case.rng, name, close)


@pytest.mark.parametrize("name", SEVERAL)
@few
@given(data=st.data())
def test_broadcasting_is_expansion(name, data):
    """f(x, y) on shapes that broadcast is f on inputs repeated to the common shape; the gradients are the sums."""
    case = drawn(data, name)
    arrays = [i for i, x in enumerate(case.inputs) if isinstance(x, np.ndarray)]
    if len(arrays) < 2:
        return
    shape = np.broadcast_shapes(*[case.inputs[i].shape for i in arrays])
    result = case.op.call(*tensors(case.inputs), **case.params)
    expanded = list(case.inputs)
    for i in arrays:
        expanded[i] = np.broadcast_to(case.inputs[i], shape).copy()
    assert_same(result.array, case.op.call(*tensors(expanded), **case.params).array, rtol=1e-14, atol=0.0)
    if not case.moving or result.dtype is not minitorch.float64:
        return
    starts = [wrap(u) for u in like([result.array], case.rng)]
    _, grads = pulled_back(case, case.inputs, starts)
    _, wide = pulled_back(case, expanded, starts)
    for i, g, w in zip(case.moving, grads, wide, strict=True):
        if g is None or w is None:
            assert g is w
            continue
        target = case.inputs[i].shape
        extra = len(shape) - len(target)
        kept = [extra + d for d, n in enumerate(target) if n == 1 and shape[extra + d] != 1]
        total = np.asarray(w.array.sum(axis=(*range(extra), *kept), keepdims=True)).reshape(target)
        assert_same(g.array, total, rtol=1e-10, atol=1e-11 * (1 + largest(w.array)), where=f"input {i}")


@pytest.mark.parametrize("name", [name for name in primitives() if name not in BOUND_TO_MEMORY])
@few
@given(data=st.data(), layout=st.sampled_from(LAYOUTS))
def test_any_layout_gives_what_the_contiguous_one_gives(name, data, layout):
    """Values and gradients; and no kernel writes to what it was given."""
    case = drawn(data, name)
    inputs = [relaid(x, layout) if isinstance(x, np.ndarray) else x for x in case.inputs]
    before = [x.copy() if isinstance(x, np.ndarray) else x for x in inputs]
    expected, found = (case.op.call(*tensors(x), **case.params) for x in (case.inputs, inputs))
    for left, right in zip(as_tuple(found), as_tuple(expected), strict=True):
        assert_same(left, right, rtol=1e-11, atol=1e-12, where=layout)
    for after, old in zip(inputs, before, strict=True):
        assert_same(after, old, rtol=0.0, atol=0.0, where="input after the call")
    if not case.moving:
        return
    starts = like(evaluate(case, case.inputs), case.rng)
    _, grads = pulled_back(case, case.inputs, [wrap(u) for u in starts])
    _, others = pulled_back(case, inputs, [wrap(relaid(u, layout)) for u in starts])
    for i, (left, right) in enumerate(zip(arrays_of(others), arrays_of(grads), strict=True)):
        assert (left is None) == (right is None)
        if left is not None:
            assert_same(left, right, rtol=1e-10, atol=1e-11, where=f"{layout}: gradient of input {i}")


@pytest.mark.parametrize("name", FUSED)
@few
@given(data=st.data())
def test_fused_is_composite(name, data):
    """A fused kernel computes what its composite of primitives defines."""
    case = drawn(data, name, move=False)
    with minitorch.no_grad():
        fused = case.op.call(*tensors(case.inputs), **case.params)
        composite = case.op.composite(*tensors(case.inputs), **case.params)
    for i, (left, right) in enumerate(zip(as_tuple(fused), as_tuple(composite), strict=True)):
        assert_same(left, right, rtol=1e-9, atol=1e-11, where=f"output {i}")
