"""Products of vectors and matrices: values, gradients, second gradients, types and errors as in torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minitorch  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from tests.against_torch import LAYOUTS  # noqa: E402
from tests.both_libraries import agree, agree_or_both_raise  # noqa: E402

rng = np.random.default_rng(0)


def array(*shape):
    return rng.standard_normal(shape)


SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (1, 3, 4)),
    ((2, 1, 2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (1, 5, 3, 4)),
    ((2, 5, 2, 3), (3, 4)),
    ((2, 5, 2, 3), (3,)),
    ((1, 1), (1, 1)),
    ((2, 0), (0, 3)),
    ((0, 2), (2, 3)),
    ((2, 3), (3, 0)),
    ((0,), (0,)),
    ((4, 0, 2), (2, 3)),
    ((4, 2, 0), (0, 3)),
    ((0, 2, 3), (0, 3, 4)),
    ((5, 0), (0,)),
    ((4, 2, 3), (3, 0)),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shapes", SHAPES)
def test_matmul_in_all_ranks(shapes, layout):
    agree(lambda lib, a, b: (a @ b, lib.matmul(a, b)), *[array(*shape) for shape in shapes], layout=layout)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_matmul_at_random(data):
    size = st.integers(0, 4)
    n, m, p = data.draw(size), data.draw(size), data.draw(size)
    batch = data.draw(st.lists(st.integers(1, 3), max_size=2))
    left = [1 if data.draw(st.booleans()) else k for k in batch]
    right = batch[data.draw(st.integers(0, len(batch))) :]
    agree_or_both_raise(lambda lib, a, b: a @ b, array(*left, n, m), array(*right, m, p))


PRODUCTS = {
    "mm": (lambda lib, a, b: a.mm(b), (2, 3), (3, 4)),
    "bmm": (lambda lib, a, b: a.bmm(b), (5, 2, 3), (5, 3, 4)),
    "mv": (lambda lib, a, b: a.mv(b), (2, 3), (3,)),
    "dot": (lambda lib, a, b: a.dot(b), (3,), (3,)),
    "vdot": (lambda lib, a, b: a.vdot(b), (3,), (3,)),
    "inner": (lambda lib, a, b: a.inner(b), (2, 5, 3), (4, 3)),
    "inner of vectors": (lambda lib, a, b: a.inner(b), (3,), (3,)),
    "inner with a number": (lambda lib, a, b: lib.inner(a, b), (2, 3), ()),
    "outer": (lambda lib, a, b: (a.outer(b), lib.ger(a, b)), (2,), (3,)),
    "kron": (lambda lib, a, b: lib.kron(a, b), (2, 3), (3, 1, 2)),
    "kron with a number": (lambda lib, a, b: lib.kron(a, b), (), (2, 3)),
    "cross": (lambda lib, a, b: (a.cross(b, 1), lib.linalg.cross(a, b, dim=-2)), (2, 3, 2), (1, 3, 2)),
    "cross by itself": (lambda lib, a, b: lib.linalg.cross(a, b), (4, 3), (4, 3)),
    "vecdot": (lambda lib, a, b: (lib.linalg.vecdot(a, b), lib.linalg.vecdot(a, b, dim=0)), (4, 3), (1, 3)),
    "trace": (lambda lib, a, b: (a.trace(), b.trace()), (3, 4), (4, 2)),
    "tensordot": (lambda lib, a, b: (lib.tensordot(a, b, 2), lib.tensordot(a, b, 0)), (5, 2, 3), (2, 3, 4)),
    "tensordot over pairs": (lambda lib, a, b: lib.tensordot(a, b, ([0, -1], [2, 0])), (4, 2, 3), (3, 2, 4)),
    "tensordot of all": (lambda lib, a, b: lib.tensordot(a, b, dims=([0, 1], [1, 0])), (2, 3), (3, 2)),
    "linear": (lambda lib, a, b: lib.nn.functional.linear(a, b), (2, 5, 3), (4, 3)),
    "linear of a vector": (lambda lib, a, b: lib.nn.functional.linear(a, b), (3,), (4, 3)),
    "linear to one": (lambda lib, a, b: lib.nn.functional.linear(a, b), (2, 3), (3,)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name, layout):
    function, *shapes = PRODUCTS[name]
    agree(function, *[np.asarray(array(*shape)) for shape in shapes], layout=layout)


SUMS = {
    "addmm": (lambda lib, c, a, b: c.addmm(a, b), (4,), (2, 3), (3, 4)),
    "addmm scaled": (lambda lib, c, a, b: c.addmm(a, b, beta=0.5, alpha=-2.0), (2, 1), (2, 3), (3, 4)),
    "addmm without": (lambda lib, c, a, b: lib.addmm(c / 0, a, b, beta=0), (2, 4), (2, 3), (3, 4)),
    "addmv": (lambda lib, c, a, b: c.addmv(a, b, beta=2, alpha=3), (2,), (2, 3), (3,)),
    "addmv with one": (lambda lib, c, a, b: lib.addmv(c, a, b), (), (2, 3), (3,)),
    "baddbmm": (lambda lib, c, a, b: c.baddbmm(a, b, beta=1.5, alpha=2), (1, 1, 4), (5, 2, 3), (5, 3, 4)),
    "addbmm": (lambda lib, c, a, b: c.addbmm(a, b, beta=1.5, alpha=2), (2, 4), (5, 2, 3), (5, 3, 4)),
    "addr": (lambda lib, c, a, b: c.addr(a, b, beta=1.5, alpha=2), (4,), (2,), (4,)),
    "linear": (lambda lib, c, a, b: lib.nn.functional.linear(a, b, c), (4,), (5, 2, 3), (4, 3)),
    "linear of a vector": (lambda lib, c, a, b: lib.nn.functional.linear(a, b, c), (4,), (3,), (4, 3)),
    "linear of a matrix": (lambda lib, c, a, b: lib.nn.functional.linear(a, b, bias=c), (4,), (0, 3), (4, 3)),
    "addmm in place": (lambda lib, c, a, b: (c * 1).addmm_(a, b, alpha=2), (2, 4), (2, 3), (3, 4)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SUMS)
def test_products_with_something_added(name, layout):
    function, *shapes = SUMS[name]
    agree(function, *[np.asarray(array(*shape)) for shape in shapes], layout=layout)


def test_bilinear():
    for batch in ((), (2,), (2, 5), (0,)):
        agree(
            lambda lib, x, y, w, b: (lib.nn.functional.bilinear(x, y, w, b), lib.nn.functional.bilinear(x, y, w)),
            array(*batch, 3),
            array(*batch, 2),
            array(4, 3, 2),
            array(4),
        )


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i", (3,), (3,)),
    ("ba", (2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("...i,...i->...", (2, 1, 3), (4, 3)),
    ("i...->...", (2, 3, 4)),
    ("...", (2, 3)),
    ("b...i,oi->b...o", (2, 5, 3), (4, 3)),
    ("bi,oij,bj->bo", (2, 3), (4, 3, 5), (2, 5)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ij,kl->", (2, 3), (3, 2)),
    ("iji->j", (2, 3, 2)),
    ("ab,ab->ab", (2, 3), (2, 3)),
    ("ij, ij -> i", (2, 1), (2, 3)),
    ("Aa,a->A", (2, 3), (3,)),
    ("...a,b->b...", (2, 3), (4,)),
    ("ij,jk->ik", (0, 3), (3, 4)),
    ("iij,jkk->ik", (2, 2, 3), (3, 4, 4)),
    (",i->i", (), (3,)),
    ("ij,ji->", (2, 3), (3, 2)),
    ("a...b,b...a->...", (2, 4, 3), (3, 4, 2)),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", EQUATIONS)
def test_einsum(case, layout):
    equation, *shapes = case
    agree(
        lambda lib, *tensors: lib.einsum(equation, *tensors),
        *[np.asarray(array(*shape)) for shape in shapes],
        layout=layout,
    )


def test_einsum_takes_lists():
    agree(lambda lib, a, b: lib.einsum(a, [0, 1], b, [1, 2], [2, 0]), array(2, 3), array(3, 4))
    agree(lambda lib, a, b: lib.einsum(a, [..., 1], b, [1, 2]), array(2, 3), array(3, 4))
    agree(lambda lib, a, b: lib.einsum("ij,jk", [a, b]), array(2, 3), array(3, 4))


REFUSED = [
    lambda lib, a, b: a @ b,
    lambda lib, a, b: a @ b.t().float(),
    lambda lib, a, b: a @ b.t().long(),
    lambda lib, a, b: (a > 0) @ (b.t() > 0),
    lambda lib, a, b: a.sum() @ b,
    lambda lib, a, b: a @ b.sum(),
    lambda lib, a, b: a @ b[0, :2],
    lambda lib, a, b: a[None].expand(3, 2, 3) @ b.t()[None].expand(2, 3, 4),
    lambda lib, a, b: a.mm(b),
    lambda lib, a, b: a.mm(b[0]),
    lambda lib, a, b: a.mm(b.t().float()),
    lambda lib, a, b: a.mv(b),
    lambda lib, a, b: a.mv(b[0, :2]),
    lambda lib, a, b: a[None].bmm(b[None]),
    lambda lib, a, b: a.bmm(b.t()),
    lambda lib, a, b: a.dot(b),
    lambda lib, a, b: a[0].dot(b[0, :2]),
    lambda lib, a, b: a[0].dot(b[0].float()),
    lambda lib, a, b: a.outer(b),
    lambda lib, a, b: a.inner(b[:, :2]),
    lambda lib, a, b: a.addmm(a, b),
    lambda lib, a, b: b[0, :2].addmm(a, b.t()),
    lambda lib, a, b: a.long().addmm(a.long(), a.t().long(), beta=0.5),
    lambda lib, a, b: a.addmv(a, b[0, :2]),
    lambda lib, a, b: a.addr(a[0], b),
    lambda lib, a, b: lib.nn.functional.linear(a, b.t()),
    lambda lib, a, b: lib.nn.functional.linear(a, b, a[0]),
    lambda lib, a, b: lib.nn.functional.linear(a, b.float()),
    lambda lib, a, b: lib.nn.functional.bilinear(a, b, a),
    lambda lib, a, b: lib.tensordot(a, b, 2),
    lambda lib, a, b: lib.tensordot(a, b, ([0], [0, 1])),
    lambda lib, a, b: lib.tensordot(a, b, -1),
    lambda lib, a, b: lib.cross(a[:, :2], b[:2, :2]),
    lambda lib, a, b: lib.linalg.cross(a.t(), b.t()),
    lambda lib, a, b: a[0].trace(),
    lambda lib, a, b: lib.einsum("ij,jk", a, b),
    lambda lib, a, b: lib.einsum("ij", a, b),
    lambda lib, a, b: lib.einsum("ijk->i", a),
    lambda lib, a, b: lib.einsum("i->i", a),
    lambda lib, a, b: lib.einsum("ij->ii", a),
    lambda lib, a, b: lib.einsum("ij->k", a),
    lambda lib, a, b: lib.einsum("i1->i", a),
    lambda lib, a, b: lib.einsum("ii->i", a),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_torchs_errors(number):
    agree_or_both_raise(REFUSED[number], array(2, 3), array(4, 3), order=0)


@pytest.mark.parametrize("dtype", ("int64", "int32", "int16", "int8", "uint8"))
def test_integers_are_multiplied_exactly(dtype):
    a, b = (rng.integers(-(2**31), 2**31, shape).astype(dtype) for shape in ((5, 7), (7, 3)))
    agree(lambda lib, a, b: (a @ b, a.mm(b), a[0] @ b, a @ b[:, 0], lib.einsum("ij,jk", a, b)), a, b, order=0)
    agree(
        lambda lib, a, b: (a[None] @ b, b.addmm(a.t() @ a, b)),
        a,
        b,
        order=0,
    )


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_half_types_are_rounded_once(dtype):
    """Computed in float32: no result is further from the exact one than half a step, and a little."""
    pytest.importorskip("ml_dtypes")
    a, b = (wrap(array(*shape).astype(np.float32)).to(getattr(minitorch, dtype)) for shape in ((20, 300), (300, 10)))
    exact = a.double().array @ b.double().array
    step = {"float16": 2.0**-11, "bfloat16": 2.0**-8}[dtype]
    for z in (a @ b, a[None] @ b, minitorch.nn.functional.linear(a, b.t())):
        assert z.dtype is getattr(minitorch, dtype)
        error = np.abs(z.double().array.reshape(exact.shape) - exact)
        assert (error <= 1.01 * step * np.abs(exact) + 1e-5).all()


def test_the_names_of_grad_fn():
    a, b = minitorch.ones(3, 3, requires_grad=True), minitorch.ones(2, 3, 3)
    assert (a @ a).grad_fn.name() == "MmBackward0"
    assert (b @ b * a).grad_fn.next_functions[0][0] is None
    assert (b.requires_grad_() @ b).grad_fn.name() == "BmmBackward0"
    assert (a @ a[0]).grad_fn.name() == "MvBackward0"
    assert (a[0] @ a[0]).grad_fn.name() == "DotBackward0"
    assert minitorch.nn.functional.linear(a, a, a[0]).grad_fn.name() == "AddmmBackward0"
