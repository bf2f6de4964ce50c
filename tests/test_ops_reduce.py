"""Sums, moments, products, extrema, scans, norms, statistics: values and derivatives as in torch, and accuracy."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minitorch  # noqa: E402
from minitorch.autograd import gradcheck, gradgradcheck  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from minitorch.ops.product import recurrence  # noqa: E402
from minitorch.ops.reduce import add_reduce  # noqa: E402
from parity.harness import assert_same  # noqa: E402
from tests.against_torch import LAYOUTS, hold, laid_out, same_error  # noqa: E402
from tests.both_libraries import agree, agree_or_both_raise  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*degrees of freedom")
rng = np.random.default_rng(0)
nan, inf = math.nan, math.inf


def normal(*shape):
    return rng.standard_normal(shape)


SEVERAL_DIMS = ["sum", "mean", "nansum", "nanmean", "amax", "amin", "var", "std", "logsumexp", "norm"]
ONE_DIM = ["prod", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "max", "min"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SEVERAL_DIMS)
def test_over_dimensions(name, layout):
    over = (lambda x, dim, keep: x.norm(2, dim, keep)) if name == "norm" else None

    def call(library, x):
        function = over or (lambda x, dim, keep: getattr(library, name)(x, dim=dim, keepdim=keep))
        cases = [0, -1, (0, 2), [1, -1], (0, 1, 2)]
        return [function(x, dim, keep) for dim in cases for keep in (False, True)]

    agree(call, normal(3, 4, 2), layout=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ONE_DIM)
def test_along_one_dimension(name, layout):
    def call(library, x):
        found = [getattr(library, name)(x, dim) for dim in (0, 1, -1)]
        return [v for f in found for v in (f if isinstance(f, tuple) else (f,))]

    agree(call, normal(3, 4, 2), layout=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_over_everything(layout):
    agree(
        lambda lib, x: (
            [x.sum(), x.mean(), x.prod(), x.max(), x.min(), x.amax(), x.amin(), x.var(), x.std(), x.norm()]
            + [x.nansum(), x.nanmean(), *lib.var_mean(x), *lib.std_mean(x, 1), *lib.aminmax(x), *lib.aminmax(x, dim=1)]
        ),
        normal(3, 4, 2),
        layout=layout,
    )


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_sum_and_mean_of_any_shape(data):
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
    dims = data.draw(st.one_of(st.none(), st.integers(-5, 4), st.lists(st.integers(-5, 4), max_size=3)))
    keep = data.draw(st.booleans())
    dtype = data.draw(st.sampled_from(["float64", "float32", "int64", "uint8", "bool"]))
    x = np.asarray(rng.standard_normal(shape) * 3).astype(dtype)
    for name in ("sum", "mean", "count_nonzero", "all", "amax"):
        kept = {} if name == "count_nonzero" else {"keepdim": keep}

        def call(library, x, name=name, kept=kept):
            return getattr(library, name)(x, dim=dims, **kept)

        if name == "amax" and (dims is None or not x.size):
            continue  # no extremum of nothing: see test_nothing_to_reduce
        agree_or_both_raise(call, x)


def test_argument_forms():
    agree(
        lambda lib, x: [
            x.sum(axis=1),
            x.sum((0, 1), keepdims=True),
            lib.mean(x, axis=0),
            x.sum(0, True),
            x.sum(dim=()),
            x.mean([]),
            x.max(axis=1)[0],
            x.max(1, True)[0],
            x.max(dim=0, keepdim=True)[1],
            lib.max(x, x * 0),
            x.min(other=x * 0),
            x.var(False),
            x.var(0, False),
            x.std(0, True, True),
            x.var((0, 1), correction=0),
            x.std(dim=1, unbiased=False, keepdim=True),
            x.var(0, correction=2),
            x.prod(1, True),
            x.argmax(axis=1, keepdims=True),
        ],
        normal(3, 4),
    )
    x = minitorch.zeros(2)
    for wrong in (lambda: x.sum(axes=0), lambda: x.var(0, True, correction=1), lambda: x.max(0, False, 3)):
        with pytest.raises(TypeError):
            wrong()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64"])
def test_integers(dtype):
    x = rng.integers(0, 2 if dtype == "bool" else 100, (3, 4)).astype(dtype)
    for name in ("sum", "prod", "max", "min", "amax", "amin", "nansum", "all", "any", "count_nonzero"):
        hold(name, x)
        hold(name, x, 1)
    for name in ("cumsum", "cumprod", "cummax"):
        hold(name, x, 0)
    for name in ("mean", "var", "std", "nanmean"):
        same_error(name, x)
    if dtype == "bool":
        same_error("argmax", x)
    else:
        hold("argmax", x)
    assert_same(wrap(x).sum(dtype=minitorch.int32), torch.from_numpy(x).sum(dtype=torch.int32))
    assert_same(wrap(x).mean(dtype=minitorch.float64), torch.from_numpy(x).mean(dtype=torch.float64))
    assert_same(wrap(x).cumprod(0, dtype=minitorch.float32), torch.from_numpy(x).cumprod(0, dtype=torch.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_summed_in_float32(dtype):
    x = normal(1000) + 5
    ours = wrap(x).to(getattr(minitorch, dtype))
    theirs = torch.from_numpy(x).to(getattr(torch, dtype))
    for name in ("sum", "mean", "amax", "std", "logsumexp", "norm"):
        arguments = (0,) if name == "logsumexp" else ()
        assert_same(getattr(ours, name)(*arguments), getattr(theirs, name)(*arguments))


def test_nothing_to_reduce():
    for name in ("sum", "mean", "prod", "nansum", "var", "std", "norm"):
        hold(name, normal(0))
        hold(name, normal(0, 3))
        hold(name, normal(0, 3), dim=0)
        hold(name, normal(0, 3), dim=1)
    hold("logsumexp", normal(0, 3), dim=0)
    hold("cumsum", normal(0, 3), 0)
    hold("cummax", normal(0, 3), 0)
    hold("amax", normal(0, 3), 1)
    for name in ("max", "min", "amax", "argmax", "aminmax"):
        same_error(name, normal(0))
        same_error(name, normal(0, 3), dim=0)


def test_zero_dimensional():
    for name in ("sum", "mean", "prod", "amax", "max", "min", "argmax", "std", "norm", "all"):
        hold(name, np.array(2.0))
        for dim in (0, -1):
            hold(name, np.array(2.0), dim=dim)
        same_error(name, np.array(2.0), dim=1)
    for name in ("cumsum", "cumprod", "cummax", "logcumsumexp", "logsumexp"):
        hold(name, np.array(2.0), 0)


def test_wrong_dimensions():
    for name in ("sum", "mean", "amax", "var", "prod", "max", "argmax", "cumsum", "cummax", "logsumexp", "all"):
        same_error(name, normal(2, 3), dim=2)
        same_error(name, normal(2, 3), dim=-3)
    for name in ("sum", "mean", "amax", "var", "logsumexp"):
        same_error(name, normal(2, 3), dim=(0, -2))
    same_error("sum", normal(2), dim=0.5)


# Awkward points.


def test_ties_share_or_take_the_first():
    x = np.array([[1.0, 3.0, 3.0], [3.0, 2.0, 2.0]])
    for name in ("amax", "amin", "max", "min"):
        hold(name, x)
        hold(name, x, 1)
        hold(name, x, 0)
    hold("aminmax", x, dim=1)
    hold("cummax", x, 1)
    hold("cummin", x, 1)


def test_nan_and_infinities():
    x = np.array([[nan, 1.0, nan], [2.0, nan, 0.0], [1.0, 2.0, inf], [-inf, inf, 1.0], [nan, nan, nan]])
    for name in ("sum", "mean", "prod", "amax", "amin", "max", "min", "nansum", "var", "logsumexp", "norm"):
        hold(name, x, dim=1, order=1)
    hold("nanmean", x, dim=1, order=0)
    hold("nanmean", x[:-1], dim=1, order=1)  # without the row of nan alone: torch's gradient there is nan, ours zero
    for name in ("sum", "max", "min", "nansum", "nanmean", "amax"):
        hold(name, x, order=1)
    for name in ("argmax", "argmin", "cumsum", "cummax", "cummin", "all", "any"):
        hold(name, x, 1, order=1)
    hold("cumprod", x, 1, order=0)  # torch's gradient is nan where a finite one exists
    hold("logsumexp", np.full((2, 3), -inf), 1, order=1)
    hold("logcumsumexp", np.array([-inf, -inf, 1.0, inf, 2.0]), 0, order=1)


def test_variance_of_too_few():
    for correction in (0, 1, 2, 3):
        order = int(correction < 2)  # beyond that the value is no number, and its gradient is anything
        hold("var", np.array([[1.0], [2.0]]), dim=1, correction=correction, order=order)
        hold("var", normal(2, 2), dim=0, correction=correction, order=order)
        hold("std", np.array([4.0, 4.0]), correction=correction, order=order)
    hold("std", np.ones((3, 2)), dim=0, order=1)


@pytest.mark.parametrize("zeros", [(), (0,), (1,), (3,), (0, 2), (1, 2, 3)])
def test_products_with_zeros(zeros):
    x = normal(4) + 2
    x[list(zeros)] = 0
    hold("prod", x)
    hold("prod", np.stack([x, x[::-1], x * 0 + 1.5]), 1)
    hold("cumprod", x, 0)
    hold("cumprod", np.stack([x, x[::-1]]), 1)


def test_product_with_zeros_is_differentiable_further():
    x = wrap(np.array([[0.0, 2.0, 0.0, 3.0], [1.0, 0.0, 2.0, 1.0]])).requires_grad_()
    for function in (lambda x: x.prod(), lambda x: x.prod(1), lambda x: x.prod(0), lambda x: x.cumprod(1)):
        assert gradcheck(function, (x,))
        assert gradgradcheck(function, (x,))


def test_recurrence():
    a, f = (wrap(normal(3, 4)).requires_grad_() for _ in range(2))
    for reverse in (False, True):
        for dim in (0, 1):

            def run(a, f, dim=dim, reverse=reverse):
                return recurrence(a, f, dim=dim, reverse=reverse)

            z = run(a, f).detach().numpy()
            order = range(a.shape[dim])
            previous = 0
            for i in reversed(order) if reverse else order:
                here = (i,) if dim == 0 else (slice(None), i)
                previous = a.array[here] + f.array[here] * previous
                np.testing.assert_allclose(z[here], previous, rtol=1e-13)
            assert gradcheck(run, (a, f), check_forward_ad=True)
            assert gradgradcheck(run, (a, f))


# Accuracy.


@pytest.mark.parametrize(
    "shape, axis",
    [((10**6,), 0), ((5 * 10**5, 2), 0), ((10**4, 100), 0), ((100, 10, 1000), 1), ((10**5, 7), (0, 1))]
    + [((64, 8, 20, 20), (0, 2, 3))],
)
@pytest.mark.parametrize("layout", ["contiguous", "permuted", "sliced"])
def test_sums_are_as_exact_as_torchs(shape, axis, layout):
    for x in (np.full(shape, 0.1, np.float32), rng.random(shape, np.float32), normal(*shape).astype(np.float32) + 1):
        exact = x.astype(np.longdouble).sum(axis)
        dims = axis if isinstance(axis, tuple) else (axis,)
        ours = np.abs(add_reduce(laid_out(x, layout), dims) - exact).max()
        theirs = np.abs(torch.from_numpy(x).sum(axis).numpy() - exact).max()
        assert ours <= 2 * theirs + np.abs(exact).max() * 2.0**-23


def test_sum_keeps_shapes_of_large_arrays():
    x = normal(9, 4, 20, 3)
    for axis in [(0,), (1,), (2,), (3,), (0, 1), (0, 2), (1, 3), (0, 3), (0, 1, 3), (0, 1, 2, 3), ()]:
        for layout in LAYOUTS:
            for keep in (False, True):
                ours = add_reduce(laid_out(x, layout), axis, keep)
                np.testing.assert_allclose(ours, x.sum(axis, keepdims=keep), rtol=1e-12, atol=1e-12)


def test_variance_does_not_cancel():
    x = (np.random.default_rng(1).standard_normal(10**6) + 1e4).astype(np.float32)
    exact = x.astype(np.float64).var(ddof=1)
    assert abs(wrap(x).var().item() - exact) <= 2e-7 * exact
    tiny = (1e4 + np.arange(6) * 2.0**-10).astype(np.float32)
    assert_same(wrap(tiny).var(), torch.from_numpy(tiny).var())


def test_running_sums_do_not_drift():
    x = np.full(10**6, 0.1, np.float32)
    exact = np.cumsum(x, dtype=np.float64)
    assert np.abs(wrap(x).cumsum(0).numpy() / exact - 1).max() < 1e-7


# Norms.


@pytest.mark.parametrize("ord", [0, 0.5, 1, 1.5, 2, 3, 3.5, inf, -inf, -1, -2])
def test_vector_norm(ord):
    x = normal(3, 4)
    x[0, 1] = x[2, 3] = 0
    x[1] = 0
    order = 1 if ord in (0.5, 1.5) or ord < 0 else 2  # torch's second derivative is nan at 0
    hold("linalg.vector_norm", x, ord=ord, dim=1, order=0 if ord in (-1, -2) else order)
    hold("linalg.vector_norm", normal(3, 4), ord=ord)
    hold("linalg.vector_norm", normal(3, 4, 2), ord=ord, dim=(0, 2), keepdim=True)
    hold("norm", normal(3, 4), ord, 0)


def test_norms_and_distances():
    agree(lambda lib, x: [x.norm(), x.norm("fro"), x.norm(1, 0), x.norm(dim=(0, 1)), lib.norm(x, inf)], normal(3, 4))
    agree(
        lambda lib, x: [
            lib.linalg.matrix_norm(x, p, dim, keep)
            for p in ("fro", 1, -1, inf, -inf)
            for dim in ((0, 1), (-1, 0))
            for keep in (False, True)
        ],
        normal(3, 4, 2),
    )
    agree(lambda lib, x: [lib.linalg.norm(x), lib.linalg.norm(x, 1), lib.linalg.norm(x, inf, 1)], normal(3, 4))
    x, y = normal(3, 4), normal(3, 4)
    for p in (0, 1, 2, 3, inf):
        hold("dist", x, y, p, order=2 if p else 0)  # torch's own derivative fails for p = 0
        hold("nn.functional.pdist", x, p=p, order=1)  # torch has no second derivative
        hold("nn.functional.pairwise_distance", x, y, p=p)
    hold("nn.functional.normalize", x, dim=0)
    hold("nn.functional.normalize", x * np.array([1, 0, 1])[:, None], p=3.0, order=1)
    hold("nn.functional.cosine_similarity", x, y[:1], dim=0)
    hold("nn.functional.cosine_similarity", x * 1e-10, y, order=1)
    hold("renorm", x, 2, 0, 1.5)
    same_error("linalg.vector_norm", np.arange(3))
    same_error("linalg.vector_norm", normal(0), ord=inf)
    same_error("linalg.matrix_norm", normal(3))
    same_error("linalg.matrix_norm", normal(3, 3), ord=3)
    same_error("norm", normal(3), "nothing")
    same_error("renorm", normal(3), 2, 0, 1.0)


# Logic.


def test_logic():
    x = np.array([[0.0, nan, 1.0], [2.0, 0.0, -0.0]])
    for name in ("all", "any", "count_nonzero"):
        hold(name, x)
        hold(name, x, 0)
        hold(name, x, (0, 1))
    for name in ("all", "any"):
        hold(name, x, ())
        hold(name, np.array([[0, 3], [1, 2]], np.uint8), 1)
    a, b = np.array([1.0, nan, inf, -inf, 1.0, 0.0]), np.array([1.0 + 1e-6, nan, inf, inf, 2.0, 1e-9])
    for options in ({}, {"equal_nan": True}, {"rtol": 0.0}, {"atol": 2.0}, {"rtol": 0.0, "atol": 0.0}):
        hold("isclose", a, b, **options, order=0)
        theirs = torch.allclose(torch.from_numpy(a), torch.from_numpy(b), **options)
        assert minitorch.allclose(wrap(a), wrap(b), **options) is theirs
    hold("isclose", np.array([1, 5]), np.array([2, 5]), rtol=1.0)
    assert not minitorch.equal(wrap(a), wrap(a))  # NaN
    assert minitorch.equal(wrap(a[[0, 2]]), wrap(a[[0, 2]]))
    hold("isin", np.array([[1, 2], [3, 4]]), np.array([2, 3, 9]))
    hold("isin", np.array([1.0, nan]), np.array([nan, 1.0]), invert=True, order=0)
    hold("isin", np.array([1, 2]), 2)
    same_error("isclose", a, np.array([1]))
    same_error("isclose", a, b, rtol=-1.0)


# Statistics, differences.


def test_covariance():
    x = normal(3, 5)
    hold("cov", x)
    hold("cov", x, correction=0)
    hold("cov", x[0])
    hold("cov", x, fweights=np.array([1, 2, 0, 3, 1]), aweights=np.array([0.5, 1.0, 2.0, 0.1, 1.0]))
    hold("cov", rng.integers(0, 9, (2, 4)))
    hold("corrcoef", x)
    hold("corrcoef", x[0])
    with pytest.warns(UserWarning, match="degrees of freedom"), np.errstate(invalid="ignore"):
        minitorch.cov(wrap(x[:, :1]))
    same_error("cov", normal(2, 2, 2))
    same_error("cov", x, fweights=np.ones(5))
    same_error("cov", x, aweights=-np.ones(5))


def test_counting():
    x = np.array([0.0, 0.1, 0.5, 0.5, 0.99, 1.0, nan, -3.0, 7.0])
    hold("histc", x, bins=4, min=0, max=1, order=0)
    hold("histc", x[:6], bins=3, order=0)
    hold("histc", np.ones(3), bins=3, order=0)
    hold("bincount", np.array([1, 1, 4]))
    hold("bincount", np.array([1, 1, 4]), minlength=8)
    hold("bincount", np.array([1, 1, 4]), weights=np.array([0.5, 1.0, 2.0], np.float32), order=0)
    hold("bincount", np.array([], np.int64))
    same_error("bincount", np.array([-1, 2]))
    same_error("bincount", np.array([[1]]))
    same_error("histc", x, bins=4)
    same_error("histc", x[:3], bins=0)


def test_differences_and_trapezoids():
    x = normal(3, 4)
    for options in ({}, {"n": 2}, {"n": 0}, {"n": 9}, {"dim": 0}, {"prepend": normal(3, 2), "append": normal(3, 1)}):
        hold("diff", x, **options)
    hold("diff", np.array([True, False, False, True]))
    hold("diff", np.array([1, 4, 9]))
    same_error("diff", np.array(1.0))
    same_error("diff", x, n=-1)
    for name in ("trapezoid", "cumulative_trapezoid"):
        at = {"x": np.sort(normal(3, 4), 0), "dim": 0}
        for options in ({}, {"dx": 0.3}, {"dim": 0}, {"x": np.sort(normal(4))}, at):
            hold(name, x, **options)
        same_error(name, x, x=normal(3))
        same_error(name, np.array([True, False]))
    hold("trapezoid", normal(0, 3), dim=0)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(interpolation):
    x, holes = normal(3, 5), normal(3, 5)
    holes[0, 1] = holes[2] = nan
    for name in ("quantile", "nanquantile"):
        hold(name, x, 0.3, interpolation=interpolation)
        hold(name, x, np.array([0.0, 0.35, 1.0]), dim=1, interpolation=interpolation)
        hold(name, x, np.array([0.5]), dim=0, keepdim=True, interpolation=interpolation)
        hold(name, holes, 0.4, dim=1, interpolation=interpolation, order=1)
    same_error("quantile", x, 1.5)
    same_error("quantile", x, 0.5, interpolation="cubic")
    same_error("quantile", x[:0], 0.5)
    same_error("quantile", np.arange(3), 0.5)


def test_results_print_as_torchs():
    x = np.array([[1.0, 3.0], [2.0, 0.0]])
    for name in ("max", "min", "median", "sort", "cummax", "kthvalue", "mode", "topk"):
        arguments = (1, 1) if name in ("kthvalue", "topk") else (1,)
        ours = getattr(minitorch, name)(wrap(x), *arguments)
        theirs = getattr(torch, name)(torch.from_numpy(x), *arguments)
        assert repr(ours) == repr(theirs)
        assert ours.values is ours[0] and ours.indices is ours[1]
    assert repr(minitorch.aminmax(wrap(x))) == repr(torch.aminmax(torch.from_numpy(x)))


@pytest.mark.parametrize(
    "expression",
    ["sum()", "sum(0)", "mean()", "mean(0)", "prod()", "prod(0)", "amax()", "max()", "max(0)[0]", "min()", "min(0)[0]"]
    + ["var()", "std(0)", "median()", "median(0)[0]", "cumsum(0)", "cumprod(0)", "cummax(0)[0]", "logcumsumexp(0)"]
    + ["logsumexp(0)", "norm()", "sort(0)[0]", "topk(1)[0]", "kthvalue(1)[0]", "mode(0)[0]", "softmax(0)"]
    + ["log_softmax(0)"],
)
def test_names_of_backward_nodes(expression):
    names = []
    for library in (minitorch, torch):
        x = library.ones(2, 2).requires_grad_()
        names.append(eval(f"x.{expression}", {"x": x}).grad_fn.name())
    assert names[0] == names[1]
