"""Derivatives of linear algebra, to the second order and forward, against torch's: random cotangents, awkward memory.

What LAPACK leaves open (the signs of eigenvectors and singular vectors) is squared away before comparing.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from parity.harness import assert_same  # noqa: E402
from tests.against_torch import LAYOUTS  # noqa: E402
from tests.both_libraries import agree, agree_or_both_raise  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:torch.* is deprecated:UserWarning")

rng = np.random.default_rng(1)


def array(*shape):
    return rng.standard_normal(shape)


def spread(*shape):
    """Matrices whose singular values lie apart, at 1, 2, 3, ...: derivatives of vectors divide by their distances."""
    u, s, vh = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    return u * np.arange(s.shape[-1], 0, -1.0) @ vh


def symmetric(a):
    return a + a.mT


def positive(a):
    return a @ a.mT + 1


def lower(a):
    return a.tril()


def without_signs(result):
    """The squares of vectors: u_i^2 does not know the sign of u_i."""
    return tuple(t * t for t in result)


CALLS = {
    "inv": (lambda lib, a: lib.linalg.inv(a), spread(2, 3, 3)),
    "det": (lambda lib, a: lib.det(a), spread(2, 3, 3)),
    "det of a batch, some singular": (
        lambda lib, a: lib.det(a),
        np.stack([spread(3, 3), np.diag([3.0, 2.0, 0.0]), np.array([[2.0, 1, 0], [0, 1, 0], [4, 3, 0]])]),
    ),
    "slogdet": (lambda lib, a: lib.linalg.slogdet(a), spread(2, 3, 3)),
    "logdet": (lambda lib, a: lib.logdet(positive(a)), spread(2, 3, 3)),
    "solve": (lambda lib, a, b: lib.linalg.solve(a, b), spread(2, 3, 3), array(4, 1, 3, 2)),
    "solve from the right": (lambda lib, a, b: lib.linalg.solve(a, b, left=False), spread(3, 3), array(2, 2, 3)),
    "solve a vector": (lambda lib, a, b: lib.linalg.solve(a, b), spread(3, 3), array(3)),
    "solve_triangular": (
        lambda lib, a, b: lib.linalg.solve_triangular(a, b, upper=True, left=False),
        spread(3, 3),
        array(2, 2, 3),
    ),
    "solve_triangular, unit": (
        lambda lib, a, b: lib.linalg.solve_triangular(a, b, upper=False, unitriangular=True),
        array(2, 3, 3),
        array(3, 2),
    ),
    "triangular_solve": (
        lambda lib, b, a: lib.triangular_solve(b, a.triu(), transpose=True)[0],
        array(3, 2),
        spread(3, 3),
    ),
    "cholesky": (lambda lib, a: lib.linalg.cholesky(positive(a)), spread(2, 3, 3)),
    "cholesky, upper": (lambda lib, a: lib.linalg.cholesky(positive(a), upper=True), spread(3, 3)),
    "cholesky of a plain leaf": (lambda lib, a: lib.linalg.cholesky(a), spread(3, 3) @ np.eye(3) * 0 + np.diag([3.0, 2, 1])),
    "cholesky_solve": (lambda lib, b, a: lib.cholesky_solve(b, lower(a)), array(2, 3, 2), spread(3, 3)),
    "cholesky_inverse": (lambda lib, a: lib.cholesky_inverse(a.triu(), upper=True), array(3, 3) + 4 * np.eye(3)),
    "qr, tall": (lambda lib, a: lib.linalg.qr(a), spread(2, 4, 3)),
    "qr, wide": (lambda lib, a: lib.linalg.qr(a), spread(2, 3, 5)),
    "qr, square": (lambda lib, a: lib.linalg.qr(a, mode="complete"), spread(3, 3)),
    "eigh": (lambda lib, a: without_signs(lib.linalg.eigh(symmetric(a))), spread(2, 3, 3)),
    "eigh, U, of a plain leaf": (lambda lib, a: without_signs(lib.linalg.eigh(a, UPLO="U")), spread(3, 3)),
    "eigvalsh": (lambda lib, a: lib.linalg.eigvalsh(a), spread(2, 3, 3)),
    "svd, tall": (lambda lib, a: without_signs(lib.linalg.svd(a, full_matrices=False)), spread(2, 4, 3)),
    "svd, wide": (lambda lib, a: without_signs(lib.svd(a)), spread(3, 5)),
    "svd, full": (lambda lib, a: without_signs((lib.linalg.svd(a)[0][..., :3], *lib.linalg.svd(a)[1:])), spread(5, 3)),
    "svd, values only": (lambda lib, a: lib.linalg.svd(a)[1], np.eye(3)),
    "svdvals": (lambda lib, a: lib.linalg.svdvals(a), spread(2, 3, 4)),
    "pinv, tall": (lambda lib, a: lib.linalg.pinv(a), spread(2, 4, 3)),
    "pinv, wide": (lambda lib, a: lib.linalg.pinv(a), spread(2, 4)),
    "pinv, symmetric": (lambda lib, a: lib.linalg.pinv(symmetric(a), hermitian=True), spread(3, 3)),
    "lstsq": (lambda lib, a, b: lib.linalg.lstsq(a, b, driver="gelsd")[:2], spread(1, 4, 3), array(2, 4, 2)),
    "lu": (lambda lib, a: lib.linalg.lu(a)[1:], spread(2, 3, 3)),
    "lu, tall": (lambda lib, a: lib.linalg.lu(a)[1:], spread(5, 3)),
    "lu, wide": (lambda lib, a: lib.linalg.lu_factor(a)[0], spread(2, 3, 5)),
    "lu_solve": (
        lambda lib, a, b: lib.linalg.lu_solve(*lib.linalg.lu_factor(a), b, adjoint=True),
        spread(2, 3, 3),
        array(3, 2),
    ),
    "cond": (lambda lib, a: (lib.linalg.cond(a), lib.linalg.cond(a, "nuc")), spread(3, 3)),
    "matrix_power": (lambda lib, a: lib.linalg.matrix_power(a, -3), spread(2, 3, 3)),
    "matrix_power 0": (lambda lib, a: lib.linalg.matrix_power(a, 0), spread(2, 3, 3)),
    "matrix_exp": (lambda lib, a: lib.matrix_exp(a), spread(2, 3, 3)),
    "multi_dot": (lambda lib, a, b, c: lib.linalg.multi_dot([a, b, c]), array(2), array(2, 4), array(4, 3)),
    "tensorinv": (lambda lib, a: lib.linalg.tensorinv(a.reshape(2, 2, 4)), spread(4, 4)),
    "tensorsolve": (lambda lib, a, b: lib.linalg.tensorsolve(a.reshape(2, 2, 4), b), spread(4, 4), array(2, 2)),
    "vander": (lambda lib, x: lib.linalg.vander(x, N=4), array(2, 3)),
    "cdist by products": (
        lambda lib, a, b: lib.cdist(a, b, compute_mode="use_mm_for_euclid_dist"),
        array(2, 3, 4),
        array(5, 4),
    ),
    "cdist of many rows": (lambda lib, a, b: lib.cdist(a, b), array(26, 2), array(3, 2)),
}  # fmt: skip


@pytest.mark.parametrize("layout", ["permuted", "sliced"])
@pytest.mark.parametrize("name", CALLS)
def test_values_gradients_and_second_gradients(name, layout):
    function, *arrays = CALLS[name]
    agree(function, *arrays, layout=layout)


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, float("inf")])
def test_cdist_to_the_first_order(p):
    """Of distances that are not made from a product torch has no second derivative. One distance is zero."""
    a, b = array(2, 3, 4), array(2, 5, 4)
    b[0, 0] = a[0, 1]
    agree(lambda lib, a, b: lib.cdist(a, b, p, "donot_use_mm_for_euclid_dist"), a, b, order=1)


# torch's own forward derivative is wrong here, as finite differences show: of a singular determinant it is 0, of a
# transposed triangle that of the untransposed one. And a symmetric matrix has no asymmetric direction.
NOT_FORWARD = {"cholesky_inverse", "triangular_solve", "det of a batch, some singular"}
FORWARD = [name for name in CALLS if name not in NOT_FORWARD and "plain leaf" not in name]


@pytest.mark.parametrize("name", FORWARD)
def test_forward_derivatives(name):
    function, *arrays = CALLS[name]
    directions = [array(*a.shape) for a in arrays]

    def pushed(library, make):
        forward_ad = library.autograd.forward_ad
        with forward_ad.dual_level():
            duals = [forward_ad.make_dual(make(a), make(v)) for a, v in zip(arrays, directions, strict=True)]
            results = function(library, *duals)
            results = results if isinstance(results, (tuple, list)) else [results]
            return [forward_ad.unpack_dual(z).tangent for z in results]

    try:
        expected = pushed(torch, lambda x: torch.from_numpy(x.copy()))
    except (RuntimeError, NotImplementedError):
        pytest.skip("torch has no forward derivative here")
    for i, (mine, true) in enumerate(zip(pushed(minitorch, lambda x: wrap(x.copy())), expected, strict=True)):
        if true is None or mine is None:
            assert (mine is None or not mine.array.any()) and (true is None or not true.any())
        else:
            assert_same(mine, true, rtol=1e-9, atol=1e-9, where=f"{name}, output {i}")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(layout):
    """Matrices reach LAPACK and the elimination by whatever strides."""
    a, b = spread(2, 3, 3), array(2, 3, 2)
    agree(lambda lib, a, b: (lib.linalg.inv(a), lib.linalg.lu(a)[2], lib.linalg.solve(a, b)), a, b, layout=layout)


NAMES = "inv det slogdet cholesky eigh eigvalsh qr svdvals pinv matrix_rank cond lu lu_factor cholesky_ex".split()
AWKWARD = {
    "a vector": np.ones(2),
    "not square": np.ones((2, 3)) + np.eye(2, 3),
    "singular": np.zeros((2, 2)),
    "one of two singular": np.stack([np.eye(2), np.zeros((2, 2))]),
    "integers": np.ones((2, 2), np.int64),
    "half precision": np.eye(2, dtype=np.float16),
    "nothing": np.zeros((0, 0)),
    "no matrix": np.zeros((0, 2, 2)),
    "no column": np.zeros((2, 0)),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", AWKWARD)
def test_what_torch_refuses_is_refused(name, kind):
    def call(library, a):
        return getattr(library.linalg, name)(a)

    true = text(call, torch, torch.from_numpy(AWKWARD[kind]))
    mine = text(call, minitorch, wrap(AWKWARD[kind].copy()))
    assert (mine is None) == (true is None), f"torch: {true}, minitorch: {mine}"
    if true is None:
        agree(call, AWKWARD[kind], order=0)
    else:  # the message is torch's, a shape may follow
        assert mine[0] == true[0] and true[1].rstrip(".").split(". ")[0] in mine[1]


def text(function, library, *tensors):
    """The class and message of the error, None for none."""
    try:
        function(library, *tensors)
    except Exception as error:
        return type(error).__name__.removeprefix("_"), str(error).split("\n")[0]
    return None


SYSTEMS = [
    ((2, 2), (3,)),
    ((2, 2), (2, 3)),
    ((2, 3), (2,)),
    ((3, 2, 2), (4, 2, 2)),
    ((2, 2), (4, 2, 1)),
    ((0, 0), (0,)),
]


@pytest.mark.parametrize("shapes", SYSTEMS)
def test_systems_of_odd_shapes(shapes):
    a, b = (array(*shape) for shape in shapes)
    agree_or_both_raise(lambda lib, a, b: lib.linalg.solve(a, b), a, b, order=1)
    agree_or_both_raise(lambda lib, a, b: lib.linalg.lstsq(a, b)[0], a, b, order=1)
    agree_or_both_raise(lambda lib, a, b: lib.linalg.solve_triangular(a, b, upper=True), a, b, order=1)
    agree_or_both_raise(lambda lib, a, b: lib.cholesky_solve(b, lower(a)), a, b, order=1)
    agree_or_both_raise(lambda lib, a, b: lib.cdist(a, b), a, b, order=1)


def test_a_qr_that_cannot_be_differentiated_says_so():
    agree_or_both_raise(lambda lib, a: lib.linalg.qr(a, mode="r")[1].sum().backward(), array(3, 3))
    tall = wrap(array(4, 3)).requires_grad_()
    with pytest.raises(RuntimeError, match="not differentiable when mode='complete' and nrows > ncols"):
        minitorch.linalg.qr(tall, mode="complete").R.sum().backward()
    with pytest.raises(RuntimeError, match="depends on Q, which is not computed"):
        minitorch.linalg.qr(tall, mode="r").R.sum().backward()
