"""One row for every bound in `minitorch/ops/` that random inputs do not meet: a call exactly at it, on both libraries.

Values, gradients and second gradients are torch's, or the class of the error is. The second table holds the bounds that
only the words of an error depend on: which index is out of range, of several. (`python -m tests.mutate --kind boundary`
moves every bound and expects one of these rows, or a test of the other files, to notice.)
"""

import math
import re
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import minitorch  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from tests.both_libraries import agree_or_both_raise  # noqa: E402

rng = np.random.default_rng(0)


def floats(*shape):
    return rng.standard_normal(shape)


def x(*values):
    return np.array(values, np.float64)


def n(*values):
    return np.array(values, np.int64)


def at(name, function, *arrays, order=2):
    return pytest.param(function, arrays, order, id=name)


def seeded(lib):
    lib.manual_seed(0)
    return lib


def drawn(lib, count, dtype, *bounds):
    """Whole numbers between the bounds, and whether a warning said that the type has not all of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = seeded(lib).zeros(count, dtype=getattr(lib, dtype)).random_(*bounds)
    return found, len(caught) > 0


LOGS = np.log(rng.dirichlet(np.ones(4), (5, 2)))  # (T, N, C)
THREE = x(1.0, 2.0, 3.0)
EDGES = x(-1, 0, 0.5, 1, math.inf)
SMALL = x([0.001, 0.0], [0.0, 2.0])  # rows of norms 0.001 and 2
MEAN, DEVIATION = 8 / 20, math.sqrt(8 * 12 / 21) / 20  # of the Beta numbers of parameters 8 and 12


def ctc(lib, logs, targets, inputs, labels, **options):
    return lib.nn.functional.ctc_loss(logs, targets, inputs, labels, reduction="none", **options)


def gamma_grad(lib, a, value):
    return lib._standard_gamma_grad(a, value)


def dirichlet_grad(lib, value, alpha, total):
    return lib._dirichlet_grad(value, alpha, total)


def shared(lib, a):
    """A tensor that is resized to what its memory holds stays in that memory."""
    b = a.detach()
    b.resize_(2, 2).fill_(7.0)
    return a.detach()


def one_of(lib, weights, replacement):
    return seeded(lib).multinomial(weights.expand(50, 3), 1, replacement)


ROWS = [
    # Activations and elementwise functions.
    at("prelu, a row for each sample", lambda lib, a, w: lib.nn.functional.prelu(a, w), floats(4, 3), floats(3)),
    at("softplus at its threshold", lambda lib, a: lib.nn.functional.softplus(a, 1, 1), x(0.5, 1, 2)),
    at("softplus at its threshold, once", lambda lib, a: lib.nn.functional.softplus(a, 1, 1), x(0.5, 1, 2), order=1),
    at("clamp at both bounds", lambda lib, a: lib.clamp(a, min=1, max=3), THREE),
    at("clamp at the lower bound", lambda lib, a: lib.clamp(a, min=1), THREE),
    at("clamp at the upper bound", lambda lib, a: lib.clamp(a, max=3), THREE),
    at("entr at 0", lambda lib, a: lib.special.entr(a), x(0, 0.5, 1), order=0),
    at("logit gradient at the upper bound", lambda lib, a: lib.logit(a, eps=0.25), x(0.25, 0.5, 0.75)),
    at("logit with crossed bounds", lambda lib, a: lib.logit(a, eps=0.6), x(0.2, 0.6, 0.7), order=0),
    at("lgamma where the recurrence ends", lambda lib, a: lib.lgamma(a), x(9.5, 10, 10.5), order=1),
    at("digamma where the recurrence ends", lambda lib, a: lib.digamma(a), x(9.5, 10, 10.5), order=0),
    at("igamma at a + 1", lambda lib, a, b: lib.igamma(a, b), x(1, 2.5), x(2, 3.5), order=0),
    at("igammac at a + 1", lambda lib, a, b: lib.igammac(a, b), x(1, 2.5), x(2, 3.5), order=0),
    at("regularized at its edges, igamma", lambda lib, a, b: lib.igamma(a, b), EDGES[:, None], EDGES, order=0),
    at("regularized at its edges, igammac", lambda lib, a, b: lib.igammac(a, b), EDGES[:, None], EDGES, order=0),
    at("pow, 0 to the power of 0", lambda lib, a, b: lib.pow(a, b), x(0, 0, 2), x(0, 2, 0), order=1),
    at("pow of integers to the power of 0", lambda lib, a: lib.pow(a, 0), n(2, 3)),
    at("isclose, as far as allowed", lambda lib, a, b: lib.isclose(a, b, rtol=0, atol=1), x(1, 1), x(2, 2.5)),
    at("masked_fill below int8", lambda lib, m: lib.zeros(2, dtype=lib.int8).masked_fill(m > 0, -129.0), n(0, 1)),
    at("masked_fill above int8", lambda lib, m: lib.zeros(2, dtype=lib.int8).masked_fill(m > 0, 128.0), n(0, 1)),
    at("masked_fill to int8's ends", lambda lib, m: lib.zeros(2, dtype=lib.int8).masked_fill(m > 0, 127), n(0, 1)),
    # Implicit derivatives of random numbers.
    at("_standard_gamma_grad at 0.8", gamma_grad, x(0.5, 2, 12, 2), x(0.8, 0.8, 0.8, np.float32(0.8)), order=0),
    at("_standard_gamma_grad at 0.9 a and 1.1 a", gamma_grad, x(10, 10), x(0.9 * 10, 1.1 * 10), order=0),
    at("_standard_gamma_grad at a = 8", gamma_grad, x(8, 8, 8), x(8, 20, 4), order=0),
    at("_dirichlet_grad at 2.5 and x = 1/2", dirichlet_grad, x(0.5, 0.5, 0.5), x(3, 3, 1), x(10, 8, 2), order=0),
    at("_dirichlet_grad at 0.75", dirichlet_grad, x(0.75), x(1), x(4), order=0),
    at("_dirichlet_grad at parameters of 6", dirichlet_grad, x(0.4, 0.4), x(6, 10), x(16, 16), order=0),
    at("_dirichlet_grad near the mean", dirichlet_grad, x(MEAN - 0.1 * DEVIATION, MEAN + 0.1 * DEVIATION), x(8, 8),
       x(20, 20), order=0),
    # Random numbers.
    at("dropout of nothing", lambda lib, a: lib.dropout(a, 0.0, True), THREE),
    at("dropout of everything", lambda lib, a: lib.dropout(a, 1.0, True), THREE),
    at("feature_dropout of a matrix, dropout by channel", lambda lib, a: tuple(lib.feature_dropout(a, 0.5, True).shape), floats(2, 3)),
    at("bernoulli, never", lambda lib, a: lib.bernoulli(a, 0.0), THREE, order=0),
    at("bernoulli, always", lambda lib, a: lib.bernoulli(a, 1.0), THREE, order=0),
    at("multinomial of one with replacement", lambda lib, a: one_of(lib, a, True) == one_of(lib, a, False), THREE),
    at("randint from the lowest", lambda lib: seeded(lib).randint(-(2**63), 3 - 2**63, (5,))),
    at("randint to the largest", lambda lib: seeded(lib).randint(2**63 - 4, 2**63 - 1, (5,))),
    at("random, the last whole float32", lambda lib: drawn(lib, 5, "float32", 0, 2**24 + 1)),
    at("random, one more than that", lambda lib: drawn(lib, 5, "float32", 0, 2**24 + 2)),
    at("random, nothing left in float16", lambda lib: drawn(lib, 5, "float16", 2050, 2052)),
    at("random, rounded down in float16", lambda lib: drawn(lib, 50, "float16", 2000, 2052)),
    at("random, rounded up in float16", lambda lib: drawn(lib, 50, "float16", 2048, 2099)),
    at("random from int8's lowest", lambda lib: drawn(lib, 5, "int8", -128, None)),
    at("random from int8's largest", lambda lib: drawn(lib, 5, "int8", 127, None)),
    at("uniform to the largest", lambda lib: tuple(lib.zeros(2).uniform_(0, lib.finfo(lib.float32).max).shape)),
    at("uniform from the lowest", lambda lib: tuple(lib.zeros(2).uniform_(-lib.finfo(lib.float32).max, 0).shape)),
    at("uniform, an empty range", lambda lib: lib.zeros(2).uniform_(1, 1)),
    # Making tensors.
    at("empty_strided with a stride of 0", lambda lib: lib.empty_strided((2, 3), (0, 1)).stride()),
    at("from_numpy without dimensions", lambda lib: lib.from_numpy(np.array(1.5))),
    at("frombuffer, all of it", lambda lib: lib.frombuffer(bytearray(8), dtype=lib.int32, count=2)),
    at("full of int8's lowest", lambda lib: lib.full((1,), -128, dtype=lib.int8)),
    at("full of int8's largest", lambda lib: lib.full((1,), 127, dtype=lib.int8)),
    at("full beyond int64", lambda lib: lib.full((1,), 2**63)),
    at("full beyond uint64", lambda lib: lib.full((1,), 2**64, dtype=lib.float64)),
    at("fill beyond int8", lambda lib: lib.zeros(2, dtype=lib.int8).fill_(128)),
    at("fill below int8", lambda lib: lib.zeros(2, dtype=lib.int8).fill_(-129)),
    at("fill of int8's lowest", lambda lib: lib.zeros(2, dtype=lib.int8).fill_(-128)),
    at("fill beyond int64", lambda lib: lib.zeros(2, dtype=lib.int64).fill_(2**63)),
    at("fill of uint8, wrapped", lambda lib: lib.zeros(2, dtype=lib.uint8).fill_(-255)),
    at("fill of uint8, too low", lambda lib: lib.zeros(2, dtype=lib.uint8).fill_(-256)),
    at("fill beyond float16", lambda lib: lib.zeros(2, dtype=lib.float16).fill_(65520.0)),
    at("fill of float16 with infinity", lambda lib: lib.zeros(2, dtype=lib.float16).fill_(-math.inf)),
    at("fill of int32 with nan", lambda lib: lib.zeros(2, dtype=lib.int32).fill_(math.nan)),
    at("full of -2 ** 63", lambda lib: lib.full((1,), -(2**63), dtype=lib.int64)),
    at("full of 2 ** 63", lambda lib: lib.full((1,), 2**63, dtype=lib.float64)),
    at("arange of nothing upwards", lambda lib: lib.arange(2, 2, 1)),
    at("arange of nothing downwards", lambda lib: lib.arange(2, 2, -1)),
    # Attention.
    at("scaled_dot_product_attention of matrices", lambda lib, q: lib.nn.functional.scaled_dot_product_attention(q, q, q),
       floats(3, 4), order=1),
    at("scaled_dot_product_attention, all dropped",
       lambda lib, q: lib.nn.functional.scaled_dot_product_attention(q, q, q, dropout_p=1.0), floats(2, 3, 4), order=0),
    at("scaled_dot_product_attention, heads in front",
       lambda lib, q, k: lib.nn.functional.scaled_dot_product_attention(q, k, k, enable_gqa=True),
       floats(4, 3, 5), floats(2, 3, 5), order=1),
    # Indices and parts.
    at("embedding at its norm", lambda lib, w, i: lib.nn.functional.embedding(i, w.detach(), max_norm=0.001), SMALL, n(0, 1)),
    at("embedding, the first row from the end", lambda lib, w, i: lib.nn.functional.embedding(i, w, -2), SMALL, n(0, 1)),
    at("embedding, a row too far", lambda lib, w, i: lib.nn.functional.embedding(i, w, 2), SMALL, n(0, 1)),
    at("__getitem__, a list of 32 lists", lambda lib, a: a[[[0, 1]] * 32], floats(2, 3)),
    at("__getitem__, a list of 31 lists", lambda lib, a: a[[[0, 1]] * 31], floats(2, 3)),
    at("__getitem__, a step of 0", lambda lib, a: a[::0], THREE),
    at("__getitem__, a step of 0 beside indices", lambda lib, a: a[::0, [0]], floats(2, 3)),
    at("__getitem__, after two Ellipses that stand for nothing", lambda lib, a: a[..., 0, ..., None], THREE),
    at("__getitem__, a slice of all is no view", lambda lib, a: "Slice" in a[0:2, [0]].grad_fn.next_functions[0][0].name(),
       floats(2, 3)),
    at("select from the front", lambda lib, a: lib.select(a, 0, -3), THREE),
    at("select_scatter to the front", lambda lib, a, b: lib.select_scatter(a, b, 0, -3), floats(3, 2), floats(2)),
    at("slice_scatter with a step of 0", lambda lib, a: lib.slice_scatter(a, a, step=0), THREE),
    at("take from the front", lambda lib, a, i: lib.take(a, i), THREE, n(-3, 2)),
    at("take_along_dim, 0 and negative ones", lambda lib, a, i: lib.take_along_dim(a, i, 0), THREE, n(0, -1, -3)),
    at("index_reduce beyond the end", lambda lib, a, i: lib.index_reduce(a, 0, i, a, "prod"), THREE, n(0, 1, 3), order=0),
    at("one_hot of nothing into nothing", lambda lib, i: lib.nn.functional.one_hot(i, 0), np.zeros(0, np.int64)),
    at("one_hot of nothing into one", lambda lib, i: lib.nn.functional.one_hot(i, 1), np.zeros(0, np.int64)),
    at("one_hot into one", lambda lib, i: lib.nn.functional.one_hot(i, 1), n(0, 0)),
    at("unfold of no places", lambda lib, a: a.unfold(0, 0, 1), THREE),
    at("unfold of all places", lambda lib, a: a.unfold(0, 3, 1), THREE),
    at("unfold with a step of 0", lambda lib, a: a.unfold(0, 2, 0), THREE),
    at("fold of one block", lambda lib, a: lib.nn.functional.fold(a, (2, 2), (2, 2)), floats(1, 4, 1)),
    # Shapes.
    at("flatten of one dimension is the tensor", lambda lib, a: lib.flatten(a) is a, THREE),
    at("sum_to_size, the first size wrong", lambda lib, a: a.sum_to_size(2, 2), floats(3, 2)),
    at("resize in its memory", shared, floats(4)),
    at("split of nothing", lambda lib, a: lib.split(a, 0), floats(0)),
    at("tensor_split into none", lambda lib, a: lib.tensor_split(a, 0), THREE),
    at("flipud of a vector", lambda lib, a: lib.flipud(a), THREE),
    at("fill_diagonal of a wide matrix", lambda lib, a: a.detach().fill_diagonal_(7), floats(2, 3)),
    at("fill_diagonal of a cube", lambda lib, a: a.detach().fill_diagonal_(7), floats(3, 3, 3)),
    at("stack of three dimensions", lambda lib, a: lib.stack([a.mT, a.mT], 3).stride(), floats(2, 3, 1)),
    at("stack of five dimensions", lambda lib, a: lib.stack([a.movedim(4, 1)] * 2, 2).stride(), floats(2, 3, 4, 2, 5)),
    at("cat of three dimensions", lambda lib, a: lib.cat([a.mT, a.mT], 1).stride(), floats(2, 3, 4)),
    at("pad.circular by all there is", lambda lib, a: lib.nn.functional.pad(a, (3, 3), "circular"), floats(1, 1, 3)),
    at("einsum with an ellipsis on both sides", lambda lib, a: lib.einsum("...i->...", a), floats(2, 3)),
    at("affine_grid of one row", lambda lib, a: lib.nn.functional.affine_grid(a, (1, 1, 1, 3), align_corners=True), floats(1, 2, 3)),
    at("grid_sample at the border",
       lambda lib, a, g: lib.nn.functional.grid_sample(a, g, padding_mode="border", align_corners=True),
       floats(1, 1, 3, 3), x([[[-1, 0.3], [1, 0.3], [0.3, -1], [0.3, 1]]]), order=1),
    at("grid_sample reflected at the border",
       lambda lib, a, g: lib.nn.functional.grid_sample(a, g, padding_mode="reflection", align_corners=False),
       floats(1, 1, 3, 3), x([[[-1, 0.3], [1, 0.3], [0.3, -1], [0.3, 1]]]), order=1),
    at("interpolate, antialiased",
       lambda lib, a: lib.nn.functional.interpolate(a, size=(4, 3), mode="bilinear", antialias=True), floats(1, 1, 9, 7)),
    # Losses.
    at("nll_loss of one sample", lambda lib, a, t: lib.nn.functional.nll_loss(a, t), floats(3), np.array(2)),
    at("cross_entropy of one sample", lambda lib, a, t, w: lib.nn.functional.cross_entropy(a, t, w.detach()), floats(3), np.array(2),
       np.abs(floats(3))),
    at("cross_entropy of no samples", lambda lib, a, t: lib.nn.functional.cross_entropy(a, t), floats(0, 3), np.zeros(0, np.int64)),
    at("cross_entropy, all of it smoothed", lambda lib, a, t: lib.nn.functional.cross_entropy(a, t, label_smoothing=1.0),
       floats(2, 3), n(0, 2)),
    at("cross_entropy, class 0 ignored in probabilities",
       lambda lib, a, t: lib.nn.functional.cross_entropy(a, t, ignore_index=0), floats(2, 3), floats(2, 3)),
    at("cross_entropy, ignored one beyond the classes",
       lambda lib, a, t: lib.nn.functional.cross_entropy(a, t, ignore_index=3), floats(3, 3), n(0, 3, 2)),
    at("binary_cross_entropy of 0 and 1", lambda lib, a, t: lib.nn.functional.binary_cross_entropy(a, t.detach()), x(0, 1),
       x(0, 1), order=0),
    at("multi_margin_loss, one target for two", lambda lib, a, t: lib.nn.functional.multi_margin_loss(a, t), floats(2, 3), n(0)),
    at("gaussian_nll_loss of variance 0", lambda lib, a, b: lib.nn.functional.gaussian_nll_loss(a, b, 0.0), floats(2), floats(2)),
    at("ctc_loss without labels", ctc, LOGS, n([1, 2], [1, 2]), n(5, 5), n(0, 2), order=1),
    at("ctc_loss of short inputs", ctc, LOGS, n([1, 2], [1, 2]), n(3, 5), n(2, 2), order=1),
    at("ctc_loss of targets one after another", ctc, LOGS, n(1, 2, 1), n(5, 5), n(2, 1), order=1),
    at("ctc_loss with a padding that is no class", ctc, LOGS, n([1, 2], [1, 99]), n(5, 5), n(2, 1), order=1),
    at("ctc_loss, blank beyond the classes", lambda *args: ctc(*args, blank=4), LOGS, n([1, 2], [1, 2]), n(5, 5), n(2, 2)),
    # Sums, norms, matrices.
    at("var of one element", lambda lib, a: lib.var(a), x(2.0), order=1),
    at("var without freedom along a dimension", lambda lib, a: lib.var(a, 0, correction=3), THREE, order=1),
    at("var with less than none along a dimension", lambda lib, a: lib.var(a, 0, correction=4), THREE, order=1),
    at("batch_norm with eps 0",
       lambda lib, a, m, v: lib.nn.functional.batch_norm(a, m.detach(), v.detach(), eps=0.0), floats(4, 2), x(0, 1), x(1, 2)),
    at("vector_norm in its own type", lambda lib, a: lib.linalg.vector_norm(a, dtype=lib.float64), THREE),
    at("renorm at its norm", lambda lib, a: lib.renorm(a, 2, 0, 0.001), SMALL, order=1),
    at("tensorinv after no dimensions", lambda lib, a: lib.linalg.tensorinv(a, 0), x([2.0])),
    at("pinv, atol 0", lambda lib, a: lib.linalg.pinv(a, atol=0.0), x([1, 0], [0, 1e-17]), order=0),
    at("unique along an empty dimension", lambda lib, a: lib.unique(a, dim=0), floats(0, 3), order=0),
    at("searchsorted with a sorter", lambda lib, a, b, s: lib.searchsorted(a, b, sorter=s), x(3, 1, 2), x(1, 2.5), n(1, 2, 0)),
    at("searchsorted, the sorter out of range", lambda lib, a, b, s: lib.searchsorted(a, b, sorter=s), x(3, 1, 2), x(1), n(1, 2, 3)),
    at("histogram without bins", lambda lib, a: lib.histogram(a, 0), THREE, order=0),
    at("histogram of one number", lambda lib, a: lib.histogram(a, 3, range=(1.0, 1.0)), THREE, order=0),
    at("softmax along the first dimension", lambda lib, a: lib.nn.functional.softmax(a, 0), floats(2, 3)),
    at("softmax along one too many", lambda lib, a: lib.nn.functional.softmax(a, 2), floats(2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("function, arrays, order", ROWS)
def test_edge(function, arrays, order):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree_or_both_raise(function, *arrays, order=order)


WORDS = [
    at("scalar_tensor of 2.0 ** 63 in int64", lambda: minitorch.scalar_tensor(2.0**63, dtype=minitorch.int64),
       order="value cannot be converted to type int64 without overflow"),  # torch makes -2 ** 63 of it
    at("max_unpool1d into nothing", lambda a, i: minitorch.nn.functional.max_unpool1d(a, i, 1, 2, 0, [0]), floats(1, 1, 1),
       n([[0]]), order="invalid max index: 0"),  # torch says so when it comes to the gradient
    at("max_unpool1d", lambda i, a: minitorch.nn.functional.max_unpool1d(a, i, 2), n([[0, 99]]), floats(1, 1, 2), order="99"),
    at("embedding beyond", lambda w, i: minitorch.nn.functional.embedding(i, w), SMALL, n(0, 2), order=": 2 for a table of 2"),
    at("take beyond", lambda a, i: minitorch.take(a, i), THREE, n(0, 3), order="tried to access index 3 on"),
    at("gather beyond", lambda a, i: minitorch.gather(a, 0, i), THREE, n(0, 3, 0), order="index 3 is out of bounds"),
    at("nll_loss beyond", lambda a, t: minitorch.nn.functional.nll_loss(a, t), floats(2, 3), n(0, 3), order="Target 3 is"),
    at("nll_loss beyond, class 0 ignored", lambda a, t: minitorch.nn.functional.nll_loss(a, t, ignore_index=1), floats(2, 3),
       n(0, 3), order="Target 3 is"),
    at("ctc_loss beyond", lambda a, t, i: minitorch.nn.functional.ctc_loss(a, t, i, i), LOGS, n([1, 4], [1, 1]), n(2, 2),
       order="targets out of range for 4 classes"),
    at("index_reduce", lambda a, i: minitorch.index_reduce(a, 0, i, a, "prod"), THREE, n(0, 1, 3), order="index out of range in self: 0 to 3"),
    at("__getitem__, a step of 0", lambda a: a[::0, [0]], floats(2, 3), order="slice step cannot be zero"),
    at("__getitem__, a step below 0", lambda a: a[::-1], floats(2, 3), order="step must be greater than zero"),
    at("__getitem__ beyond", lambda a: a[3], THREE, order="index 3 is out of bounds for dimension 0 with size 3"),
    at("__getitem__ with too many", lambda a: a[0:3, 0:1], THREE, order="too many indices"),
    at("__setitem__ with too many", lambda a: a.__setitem__((slice(0, 3), slice(0, 1)), 1.0), THREE, order="too many indices"),
    at("slice_scatter", lambda a: minitorch.slice_scatter(a, a, step=0), THREE, order="slice step must be positive"),
    at("select beyond", lambda a: minitorch.select(a, 0, 3), THREE, order="select(): index 3 out of range"),
    at("select_scatter beyond", lambda a: minitorch.select_scatter(a, a[0], 0, 3), THREE, order="select(): index 3 out of range"),
    at("squeeze beyond", lambda a: minitorch.squeeze(a, 1), THREE, order="Dimension out of range"),
    at("expand", lambda a: a.expand(2, -3), x(1.0), order="negative size -3"),
    at("hsplit", lambda a: minitorch.hsplit(a, 1), np.array(1.0), order="with at least 1 dimension, but"),
    at("vsplit", lambda a: minitorch.vsplit(a, 1), THREE, order="with at least 2 dimensions, but"),
]  # fmt: skip


@pytest.mark.parametrize("function, arrays, words", WORDS)
def test_words(function, arrays, words):
    with pytest.raises((RuntimeError, IndexError, ValueError), match=re.escape(words)):
        function(*[wrap(array.copy()) for array in arrays])


def test_embedding_bag_without_bags():
    """The last offset alone is the end of no bag. (torch reads beyond its memory.)"""
    found = minitorch.nn.functional.embedding_bag(wrap(n(0, 1)), wrap(SMALL), wrap(n(0)), include_last_offset=True)
    assert found.shape == (0, 2)


def test_prelu_at_0():
    """Its mixed second derivatives are equal. (torch's are not: the second time it takes the other piece.)"""
    a, w = (wrap(array).requires_grad_() for array in (x(-1, 0, 2), x(0.3)))
    by_a, by_w = minitorch.autograd.grad(minitorch.nn.functional.prelu(a, w).sum(), (a, w), create_graph=True)
    (of_w,) = minitorch.autograd.grad(by_a.sum(), w, retain_graph=True)
    (of_a,) = minitorch.autograd.grad(by_w.sum(), a)
    assert of_a.sum() == of_w == 2


def test_second_derivative_of_digamma_below_a_half():
    """psi''(x + 1) = psi''(x) + 2 / x^3, from far below 0 to 1.7, which needs no reflection."""
    points = np.arange(-30, 2) + 0.7
    start = wrap(points).requires_grad_()
    (slope,) = minitorch.autograd.grad(minitorch.digamma(start).sum(), start, create_graph=True)
    (found,) = minitorch.autograd.grad(slope.sum(), start)
    np.testing.assert_allclose(np.diff(found.numpy()), 2 / points[:-1] ** 3, rtol=1e-9, atol=1e-11)
