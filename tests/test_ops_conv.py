"""Convolutions, their transposes and their adjoints, unfold and fold: against torch, the formula, and each other."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minitorch  # noqa: E402
import minitorch.nn.functional as F  # noqa: E402
from minitorch.core.op import REGISTRY  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from minitorch.ops import windows  # noqa: E402
from minitorch.ops.conv import correlate, correlate_input, correlate_weight  # noqa: E402
from tests.against_torch import LAYOUTS, hold, same_error  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")
rng = np.random.default_rng(0)


def normal(*shape, dtype=np.float64):
    return rng.standard_normal(shape).astype(dtype)


GEOMETRIES_2D = [
    {},
    dict(stride=2),
    dict(padding=1),
    dict(stride=(2, 1), padding=(2, 1), dilation=(1, 2)),
    dict(stride=3, padding=2),  # the last columns of the image are never read
    dict(padding="same"),
    dict(padding="same", dilation=(2, 3)),
    dict(padding="valid", dilation=2),
]


@pytest.mark.parametrize("arguments", GEOMETRIES_2D, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_conv2d(arguments, layout):
    hold("nn.functional.conv2d", normal(2, 4, 7, 8), normal(6, 4, 3, 2), normal(6), layout=layout, **arguments)


@pytest.mark.parametrize("groups, out_channels", [(2, 6), (4, 4), (4, 8)])
@pytest.mark.parametrize("arguments", GEOMETRIES_2D[:4], ids=str)
def test_groups(arguments, groups, out_channels):
    weight, bias = normal(out_channels, 4 // groups, 3, 2), normal(out_channels)
    hold("nn.functional.conv2d", normal(2, 4, 7, 8), weight, bias, groups=groups, **arguments)
    weight = normal(4, out_channels // groups, 3, 2)
    arguments = {k: v for k, v in arguments.items() if v != "same"}
    hold("nn.functional.conv_transpose2d", normal(2, 4, 5, 4), weight, bias, groups=groups, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        dict(stride=2, padding=1),
        dict(stride=(2, 3), output_padding=(1, 2)),
        dict(stride=(1, 2), dilation=(2, 1), output_padding=1),  # output padding from the dilation alone
        dict(padding=2, dilation=2),
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_conv_transpose2d(arguments, layout):
    image, weight, bias = normal(2, 4, 5, 6), normal(4, 3, 3, 2), normal(3)
    hold("nn.functional.conv_transpose2d", image, weight, bias, layout=layout, **arguments)


@pytest.mark.parametrize("n, kernel", [(1, (3,)), (3, (2, 3, 1))])
@pytest.mark.parametrize("arguments", [{}, dict(stride=2, padding=1), dict(dilation=2, groups=2)], ids=str)
def test_other_dimensions(n, kernel, arguments):
    image, groups = (2, 4, *[6, 5, 4][:n]), arguments.get("groups", 1)
    arguments = {**arguments, "dilation": (2, 1, 2)[:n]} if "dilation" in arguments else arguments
    hold(f"nn.functional.conv{n}d", normal(*image), normal(6, 4 // groups, *kernel), normal(6), **arguments)
    weight = normal(4, 3, *kernel)
    hold(f"nn.functional.conv_transpose{n}d", normal(*image), weight, normal(3 * groups), **arguments)


def test_third_derivatives():
    hold("nn.functional.conv2d", normal(2, 2, 4, 5), normal(3, 2, 2, 3), order=3, stride=2, padding=1)
    hold("nn.functional.conv_transpose2d", normal(2, 2, 3, 4), normal(2, 3, 2, 3), order=3, stride=2, padding=1)


def test_unbatched_and_empty():
    for n in (1, 2, 3):
        image, kernel = [5, 6, 4][:n], [2, 3, 2][:n]
        for batch in ([], [0]):
            hold(f"nn.functional.conv{n}d", normal(*batch, 3, *image), normal(4, 3, *kernel), normal(4))
            hold(f"nn.functional.conv_transpose{n}d", normal(*batch, 3, *image), normal(3, 4, *kernel), normal(4))


def by_the_formula(x, w, stride, padding, dilation, groups):
    """z[n, o, j] = sum over c, i of w[o, c, i] x[n, c, j stride + i dilation - padding], written out."""
    n, (out, per_group), kernel = w.ndim - 2, w.shape[:2], w.shape[2:]
    size = [
        (m + 2 * p - d * (k - 1) - 1) // s + 1
        for m, p, d, k, s in zip(x.shape[2:], padding, dilation, kernel, stride, strict=True)
    ]
    z = np.zeros((len(x), out, *size))
    for b, o, *j in np.ndindex(z.shape):
        for c, *i in np.ndindex(w.shape[1:]):
            at = [j[d] * stride[d] + i[d] * dilation[d] - padding[d] for d in range(n)]
            if all(0 <= a < m for a, m in zip(at, x.shape[2:], strict=True)):
                z[(b, o, *j)] += w[(o, c, *i)] * x[(b, o // (out // groups) * per_group + c, *at)]
    return z


@st.composite
def convolutions(draw):
    n, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    some = st.integers(1, 3)
    each = lambda s: tuple(draw(s) for _ in range(n))  # noqa: E731
    kernel, dilation = each(some), each(st.integers(1, 2))
    size = tuple(d * (k - 1) + draw(st.integers(1, 4)) for k, d in zip(kernel, dilation, strict=True))
    x = (draw(some), groups * draw(st.integers(1, 2)), *size)
    w = (groups * draw(st.integers(1, 2)), x[1] // groups, *kernel)
    return x, w, dict(stride=each(some), padding=each(st.integers(0, 2)), dilation=dilation, groups=groups)


@given(convolutions(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_kernels_compute_the_formula_and_are_adjoint(case, seed):
    x_shape, w_shape, arguments = case
    local = np.random.default_rng(seed)
    x, w = local.standard_normal(x_shape), local.standard_normal(w_shape)
    z = correlate(x, w, **arguments)
    np.testing.assert_allclose(z, by_the_formula(x, w, **arguments), rtol=1e-12, atol=1e-12)
    g = local.standard_normal(z.shape)
    back = correlate_input(g, w, size=x_shape, **arguments)
    weights = correlate_weight(x, g, size=w_shape, **arguments)
    assert back.shape == x_shape and weights.shape == w_shape
    np.testing.assert_allclose([np.vdot(back, x), np.vdot(weights, w)], np.vdot(g, z), rtol=1e-10, atol=1e-10)


def test_a_batch_is_computed_in_parts(monkeypatch):
    x, w = normal(7, 3, 6, 5), normal(4, 3, 2, 3)
    arguments = dict(stride=(1, 2), padding=(1, 0), dilation=(1, 1), groups=1)
    whole = correlate(x, w, **arguments)
    backs = correlate_input(whole, w, size=x.shape, **arguments), correlate_weight(x, whole, size=w.shape, **arguments)
    few = lambda batch, each: windows.parts(batch, each, limit=2 * each)  # noqa: E731 - two images at a time
    assert len(list(few(7, 10))) == 4
    monkeypatch.setattr("minitorch.ops.conv.parts", few)
    np.testing.assert_array_equal(correlate(x, w, **arguments), whole)
    np.testing.assert_allclose(correlate_input(whole, w, size=x.shape, **arguments), backs[0], rtol=1e-13)
    np.testing.assert_allclose(correlate_weight(x, whole, size=w.shape, **arguments), backs[1], rtol=1e-12)


def test_primitives_have_the_names_that_fast_kernels_answer_to():
    for n in (1, 2, 3):
        for name, inputs in (("", "input weight"), ("_input", "grad weight"), ("_weight", "input grad")):
            name = f"conv{n}d{name}"
            assert REGISTRY[name].inputs == inputs.split()
            assert {"stride", "padding", "dilation", "groups"} <= set(REGISTRY[name].params)


def test_types():
    x, w = np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4), np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    for dtype in (np.int64, np.int32, np.uint8):
        hold("nn.functional.conv2d", x.astype(dtype), w.astype(dtype))
    half = [a.astype(np.float16) / 8 for a in (x, w)]
    mine, _ = hold("nn.functional.conv2d", *half, order=0)
    assert mine.dtype is minitorch.float16
    hold("nn.functional.conv2d", normal(2, 3, 6, 6, dtype=np.float32), normal(4, 3, 3, 3, dtype=np.float32), order=1)


def test_float32_is_as_accurate_as_torch():
    x, w = normal(4, 32, 14, 14, dtype=np.float32), normal(32, 32, 3, 3, dtype=np.float32)
    truth = torch.conv2d(torch.from_numpy(x).double(), torch.from_numpy(w).double()).numpy()
    ours = F.conv2d(wrap(x), wrap(w)).array
    theirs = torch.conv2d(torch.from_numpy(x), torch.from_numpy(w)).numpy()
    assert np.abs(ours - truth).max() <= 2 * np.abs(theirs - truth).max() + 1e-7


def test_history():
    x, w, b = [wrap(a).requires_grad_() for a in (normal(1, 2, 4, 4), normal(3, 2, 2, 2), normal(3))]
    assert F.conv2d(x, w, b).grad_fn.name() == F.conv2d(x, w).grad_fn.name() == "ConvolutionBackward0"
    before = x.array.copy(), w.array.copy()
    F.conv2d(x, w, b, padding=1).sum().backward()
    np.testing.assert_array_equal(x.array, before[0])
    np.testing.assert_array_equal(w.array, before[1])
    np.testing.assert_allclose(b.grad.array, 25.0)


BAD = [
    ((2, 3, 8, 8), (4, 2, 3, 3), {}),  # channels
    ((2, 3, 8, 8), (4, 3, 9, 3), {}),  # kernel larger than the image
    ((2, 3, 8), (4, 3, 3, 3), {}),
    ((3, 8), (4, 3, 3, 3), {}),
    ((2, 3, 8, 8), (4, 3, 3), {}),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(bias=(3,))),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(bias=(4, 1))),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(stride=0)),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(stride=(1, 2, 3))),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(stride=1.5)),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(padding=-1)),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(padding="foo")),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(padding="same", stride=2)),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(dilation=0)),
    ((2, 3, 8, 8), (4, 3, 3, 3), dict(groups=0)),
    ((2, 4, 8, 8), (3, 2, 3, 3), dict(groups=2)),
    ((2, 3, 8, 8), (0, 3, 3, 3), {}),
    ((2, 3, 0, 8), (4, 3, 1, 3), {}),
]


@pytest.mark.parametrize("x, w, arguments", BAD, ids=str)
def test_bad_arguments(x, w, arguments):
    arguments = {k: normal(*v) if k == "bias" else v for k, v in arguments.items()}
    same_error("nn.functional.conv2d", normal(*x), normal(*w), **arguments)


@pytest.mark.parametrize(
    "x, w, arguments",
    [
        ((2, 3, 8, 8), (4, 2, 3, 3), {}),
        ((2, 3, 8, 8), (3, 2, 3, 3), dict(bias=(3,))),
        ((2, 3, 8, 8), (3, 2, 3, 3), dict(output_padding=1)),
        ((2, 3, 8, 8), (3, 2, 3, 3), dict(output_padding=-1, dilation=2)),
        ((2, 3, 2, 2), (3, 2, 3, 3), dict(padding=3)),
        ((2, 3, 2, 2), (3, 2, 3, 3), dict(padding="same")),
        ((2, 3, 8, 8), (3, 2, 3, 3), dict(groups=2)),
        ((3, 8), (3, 2, 3, 3), {}),
        ((2, 3, 0, 8), (3, 2, 3, 3), {}),
    ],
    ids=str,
)
def test_bad_arguments_of_the_transpose(x, w, arguments):
    arguments = {k: normal(*v) if k == "bias" else v for k, v in arguments.items()}
    same_error("nn.functional.conv_transpose2d", normal(*x), normal(*w), **arguments)


def test_bad_types():
    same_error("nn.functional.conv2d", normal(1, 1, 4, 4), normal(1, 1, 2, 2, dtype=np.float32))
    same_error("nn.functional.conv2d", normal(1, 1, 4, 4), normal(1, 1, 2, 2), normal(1, dtype=np.float32))
    same_error("nn.functional.conv2d", np.ones((1, 1, 4, 4), bool), np.ones((1, 1, 2, 2), bool))
    same_error("nn.functional.conv2d", [1.0], normal(1, 1, 2, 2))


# Unfold and fold.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("arguments", [{}, dict(stride=2, padding=1), dict(dilation=(2, 1), padding=(0, 1))], ids=str)
def test_unfold_and_fold(arguments, layout):
    hold("nn.functional.unfold", normal(2, 3, 6, 5), (2, 3), layout=layout, **arguments)
    columns = F.unfold(wrap(normal(2, 3, 6, 5)), (2, 3), **arguments).array
    hold("nn.functional.fold", columns, (6, 5), (2, 3), layout=layout, **arguments)
    hold("nn.functional.fold", columns[0], (6, 5), (2, 3), layout=layout, **arguments)


def test_convolution_is_weight_times_unfold():
    x, w = wrap(normal(2, 3, 6, 7)), wrap(normal(4, 3, 2, 3))
    product = w.reshape(4, -1).matmul(F.unfold(x, (2, 3), padding=1, stride=2))
    expected = F.conv2d(x, w, padding=1, stride=2)
    np.testing.assert_allclose(product.array, expected.array.reshape(2, 4, -1), rtol=1e-12)


@pytest.mark.parametrize(
    "name, shape, args, arguments",
    [
        ("unfold", (2, 3, 5, 5), (6,), {}),
        ("unfold", (2, 3, 5, 5), ((2, 2, 2),), {}),
        ("unfold", (2, 3, 5, 5), (2,), dict(stride=0)),
        ("unfold", (2, 3, 5, 5), (2,), dict(padding=-1)),
        ("unfold", (2, 0, 5, 5), (2,), {}),
        ("unfold", (2, 3, 5, 5), ("a",), {}),
        ("fold", (2, 12, 15), ((5, 5), 2), {}),
        ("fold", (2, 11, 16), ((5, 5), 2), {}),
        ("fold", (2, 12, 16, 1), ((5, 5), 2), {}),
        ("fold", (2, 12, 0), ((5, 5), 2), {}),
    ],
)
def test_bad_arguments_of_unfold_and_fold(name, shape, args, arguments):
    same_error(f"nn.functional.{name}", normal(*shape), *args, **arguments)


def test_unfold_and_fold_refuse_integers():
    same_error("nn.functional.unfold", np.ones((2, 3, 5, 5), np.int64), 2)
    same_error("nn.functional.fold", np.ones((2, 12, 16), np.int64), (5, 5), 2)


def test_offsets_and_windows_agree():
    x = normal(2, 3, 9, 8)
    geometry = (3, 2), (3, 4), (2, 1), (1, 3)  # kernel, positions, stride, dilation
    view = windows.windows(x, *geometry)
    for offset in itertools.product(range(3), range(2)):
        seen = x[windows.seen_by(offset, geometry[1], *geometry[2:])]
        np.testing.assert_array_equal(view[(slice(None), slice(None), *offset)], seen)
