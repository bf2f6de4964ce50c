"""Linear algebra by what defines it: factors that multiply to the matrix, inverses that undo it, errors that say why."""

import numpy as np
import pytest

import minitorch
from minitorch import linalg
from minitorch.core.tensor import wrap

rng = np.random.default_rng(0)

SHAPES = [
    (1, 1),
    (4, 4),
    (5, 3),
    (3, 5),
    (2, 3, 4, 4),
    (3, 6, 2),
    (70, 70),
    (40, 75),
    (0, 0),
    (0, 3),
    (3, 0),
    (0, 3, 3),
]
SQUARE = [shape for shape in SHAPES if shape[-1] == shape[-2]]
TYPES = [np.float64, np.float32]


def matrix(*shape, dtype=np.float64):
    return wrap(rng.standard_normal(shape).astype(dtype))


def positive(*shape, dtype=np.float64):
    a = rng.standard_normal(shape)
    return wrap((a @ a.swapaxes(-1, -2) + np.eye(shape[-1])).astype(dtype))


def near(left, right, tolerance=None):
    """Equal up to rounding, for products of some 100 numbers."""
    left, right = (np.asarray(x.array if isinstance(x, minitorch.Tensor) else x) for x in (left, right))
    assert left.shape == right.shape
    tolerance = tolerance or (1e-9 if left.dtype == np.float64 else 2e-3)
    np.testing.assert_allclose(left, right, rtol=0, atol=tolerance * (1 + np.abs(right).max(initial=0)))


def unit(like):
    n = like.shape[-1]
    return np.broadcast_to(np.eye(n, dtype=like.array.dtype), (*like.shape[:-2], n, n))


def orthonormal(q):
    near(q.mT @ q, unit(q))


def lies_in(triangle, t):
    assert np.array_equal(t.array, triangle(t.array))


# Factorisations.


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_qr_multiplies_to_the_matrix(shape, dtype):
    A = matrix(*shape, dtype=dtype)
    m, n = shape[-2:]
    for mode, k in (("reduced", min(m, n)), ("complete", m)):
        Q, R = linalg.qr(A, mode)
        assert Q.shape[-2:] == (m, k) and R.shape[-2:] == (k, n) and Q.dtype == A.dtype
        near(Q @ R, A)
        orthonormal(Q)
        lies_in(np.triu, R)
    empty, only = linalg.qr(A, mode="r")
    assert empty.numel() == 0
    near(only, linalg.qr(A).R)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_svd_multiplies_to_the_matrix(shape, dtype):
    A = matrix(*shape, dtype=dtype)
    m, n = shape[-2:]
    k = min(m, n)
    U, S, Vh = linalg.svd(A, full_matrices=False)
    near(U * S.unsqueeze(-2) @ Vh, A)
    full = linalg.svd(A)
    assert full.U.shape[-2:] == (m, m) and full.Vh.shape[-2:] == (n, n)
    for u, vh in ((U, Vh), (full.U, full.Vh)):
        orthonormal(u)
        orthonormal(vh.mT)
    assert (S.array >= 0).all() and (np.diff(S.array) <= 0).all() and S.shape[-1] == k
    near(linalg.svdvals(A), S)
    U, S, V = minitorch.svd(A)
    near(U * S.unsqueeze(-2) @ V.mT, A)
    zeros = minitorch.svd(A, compute_uv=False)
    assert not zeros.U.array.any() and zeros.V.shape[-2:] == (n, n)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_lu_multiplies_to_the_matrix(shape, dtype):
    """The sizes over 32 go through the blocked elimination."""
    A = matrix(*shape, dtype=dtype)
    P, L, U = linalg.lu(A)
    near(P @ L @ U, A)
    lies_in(np.tril, L)
    lies_in(np.triu, U)
    assert np.array_equal(np.sort(P.array, -1)[..., :-1], np.zeros_like(P.array)[..., :-1])  # one 1 in each row
    assert (np.abs(L.array) <= 1).all()  # each pivot was the largest of its column
    lu, pivots = linalg.lu_factor(A)
    assert str(pivots.dtype) == "torch.int32" and pivots.shape == (*shape[:-2], min(shape[-2:]))
    for ours, theirs in zip(minitorch.lu_unpack(lu, pivots), (P, L, U), strict=True):
        near(ours, theirs)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_cholesky_and_eigenvectors_multiply_to_the_matrix(shape, dtype):
    A = positive(*shape, dtype=dtype)
    L = linalg.cholesky(A)
    near(L @ L.mT, A)
    lies_in(np.tril, L)
    U = linalg.cholesky(A, upper=True)
    near(U, L.mT)
    values, V = linalg.eigh(A)
    near(V * values.unsqueeze(-2) @ V.mT, A)
    orthonormal(V)
    assert (np.diff(values.array) >= 0).all()
    near(linalg.eigvalsh(A), values)


@pytest.mark.parametrize("upper", [False, True])
def test_symmetric_factorisations_read_one_triangle(upper):
    A = positive(5, 5)
    read = np.triu if upper else np.tril
    other = wrap(read(A.array) + (np.tril if upper else np.triu)(np.full((5, 5), 9.0), -1 if upper else 1))
    near(linalg.cholesky(other, upper=upper), linalg.cholesky(A, upper=upper))
    near(linalg.eigvalsh(other, UPLO="U" if upper else "L"), linalg.eigvalsh(A))
    near(linalg.eigh(other, UPLO="u" if upper else "l").eigenvalues, linalg.eigvalsh(A))


# What undoes a matrix.


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_inverses_and_solutions(shape, dtype):
    A = positive(*shape, dtype=dtype)
    B = matrix(*shape[:-1], 3, dtype=dtype)
    near(A @ linalg.inv(A), unit(A))
    near(A @ linalg.solve(A, B), B)
    near(linalg.solve(A, B.mT, left=False) @ A, B.mT)
    near(A @ linalg.solve_ex(A, B).result, B)
    L = linalg.cholesky(A)
    near(minitorch.cholesky_solve(B, L), linalg.solve(A, B))
    near(minitorch.cholesky_solve(B, L.mT, upper=True), linalg.solve(A, B))
    near(minitorch.cholesky_inverse(L), linalg.inv(A))
    lu, pivots = linalg.lu_factor(A)
    near(linalg.lu_solve(lu, pivots, B), linalg.solve(A, B))


@pytest.mark.parametrize("n", [1, 5, 33, 80])
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unit_diagonal", [False, True])
def test_triangular_solutions(n, upper, unit_diagonal):
    A = wrap(rng.standard_normal((2, n, n)) / n + 2 * np.eye(n))
    T = np.triu(A.array) if upper else np.tril(A.array)
    if unit_diagonal:
        np.einsum("...ii->...i", T)[...] = 1
    B = matrix(3, 1, n, 4)
    X = linalg.solve_triangular(A, B, upper=upper, unitriangular=unit_diagonal)
    near(wrap(T) @ X, B.expand(3, 2, n, 4))
    X = linalg.solve_triangular(A, B.mT, upper=upper, left=False, unitriangular=unit_diagonal)
    near(X @ wrap(T), B.mT.expand(3, 2, 4, n))
    X, copy = minitorch.triangular_solve(B, A, upper=upper, transpose=True, unitriangular=unit_diagonal)
    near(wrap(T).mT @ X, B.expand(3, 2, n, 4))
    assert copy.shape == (3, 2, n, n)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_lu_solve_on_either_side(left, adjoint):
    A, B = matrix(2, 5, 5), matrix(3, 2, 5, 5)
    X = linalg.lu_solve(*linalg.lu_factor(A), B, left=left, adjoint=adjoint)
    system = A.mT if adjoint else A
    near(system @ X if left else X @ system, B, 1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pseudoinverse_obeys_penroses_four_equations(shape):
    A = matrix(*shape)
    P = linalg.pinv(A)
    near(A @ P @ A, A)
    near(P @ A @ P, P)
    near((A @ P).mT, A @ P)
    near((P @ A).mT, P @ A)


def test_the_pseudoinverse_leaves_out_what_is_small():
    A = wrap(np.diag([3.0, 1.0, 1e-3]))
    near(linalg.pinv(A, rtol=1e-2), np.diag([1 / 3, 1, 0]))
    near(linalg.pinv(A, atol=2.0), np.diag([1 / 3, 0, 0]))
    near(linalg.pinv(wrap(-A.array), hermitian=True, rtol=1e-2), -np.diag([1 / 3, 1, 0]))
    assert linalg.matrix_rank(A).item() == 3 and linalg.matrix_rank(A, tol=0.5).item() == 2
    assert linalg.matrix_rank(wrap(-A.array), hermitian=True, rtol=0.5).item() == 1
    near(linalg.cond(A), np.array(3000.0))


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
def test_least_squares_leave_a_residual_orthogonal_to_the_columns(driver):
    A, B = matrix(2, 7, 3), matrix(2, 7, 4)
    X = linalg.lstsq(A, B, driver=driver)
    near(A.mT @ (A @ X.solution - B), np.zeros((2, 3, 4)))
    near(linalg.lstsq(A, B[..., 0], driver=driver).solution, X.solution[..., 0])
    if driver != "gelsy":
        near(X.residuals, (A @ X.solution - B).square().sum(-2))
    wide = linalg.lstsq(A.mT, B[:, :3], driver=driver).solution  # of all solutions the shortest
    near(A.mT @ wide, B[:, :3])
    near(wide, linalg.pinv(A.mT) @ B[:, :3])


@pytest.mark.parametrize("shape", SQUARE)
def test_determinants(shape):
    A = matrix(*shape)
    sign, logarithm = linalg.slogdet(A)
    near(sign * logarithm.exp(), linalg.det(A))
    near(sign, np.prod(np.sign(np.linalg.eigvals(A.array)), -1).real)
    C = positive(*shape)
    near(linalg.eigvalsh(C).log().sum(-1), minitorch.logdet(C))
    if shape[-1] <= 5:
        near(linalg.det(A @ C), linalg.det(A) * linalg.det(C))


def test_determinants_that_are_zero_or_negative():
    singular = wrap(np.array([[1.0, 2.0], [2.0, 4.0]]))
    assert linalg.det(singular).item() == 0 and minitorch.logdet(singular).item() == -np.inf
    assert np.isnan(minitorch.logdet(wrap(-np.eye(3))).item())


# Powers.


def test_powers_and_exponentials():
    A = wrap(rng.standard_normal((2, 4, 4)) / 2)
    for n in range(8):
        near(linalg.matrix_power(A, n), np.linalg.matrix_power(A.array, n))
        near(linalg.matrix_power(A, -n), np.linalg.matrix_power(np.linalg.inv(A.array), n), 1e-6)
    values, V = linalg.eigh(A + A.mT)
    for scale in (1e-3, 1, 10):
        exact = V * (scale * values).exp().unsqueeze(-2) @ V.mT
        near(linalg.matrix_exp(scale * (A + A.mT)), exact)
    near(minitorch.matrix_exp(A) @ minitorch.matrix_exp(-A), unit(A))
    nilpotent = wrap(np.array([[0.0, 1e3], [0.0, 0.0]]))
    near(minitorch.matrix_exp(nilpotent), np.array([[1, 1e3], [0, 1]]))
    integers = minitorch.tensor([[1, 1], [0, 1]])
    assert linalg.matrix_power(integers, 5).tolist() == [[1, 5], [0, 1]]


def test_chains_of_products_take_the_cheapest_order(monkeypatch):
    made = []
    product = linalg.multi_dot.__wrapped__.__globals__["mm"]

    def counted(a, b):
        made.append(a.shape[0] * a.shape[1] * b.shape[1])
        return product(a, b)

    monkeypatch.setitem(linalg.multi_dot.__wrapped__.__globals__, "mm", counted)
    sizes = [30, 35, 15, 5, 10, 20, 25]  # the example of Cormen et al., section 15.2
    chain = [matrix(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
    near(linalg.multi_dot(chain), np.linalg.multi_dot([m.array for m in chain]))
    assert sum(made) == 15125
    near(minitorch.chain_matmul(*chain), np.linalg.multi_dot([m.array for m in chain]))
    row, column = matrix(30), matrix(25)
    near(linalg.multi_dot([row, *chain, column]), np.linalg.multi_dot([m.array for m in (row, *chain, column)]))


def test_tensors_as_matrices():
    A = matrix(2, 3, 6)
    inverse = linalg.tensorinv(A)
    near(minitorch.tensordot(inverse, A, 2), np.eye(6))
    B = matrix(2, 3)
    near(minitorch.tensordot(A, linalg.tensorsolve(A, B), 1), B)
    near(linalg.vander(wrap(np.array([2.0, 3.0])), N=3), np.array([[1.0, 2, 4], [1, 3, 9]]))
    near(minitorch.vander(wrap(np.array([2.0, 3.0])), N=3), np.array([[4.0, 2, 1], [9, 3, 1]]))


# Errors.


def raises(text, function, *args, **kwargs):
    with pytest.raises(RuntimeError) as caught:
        function(*args, **kwargs)
    assert text in str(caught.value)
    return caught.value


def test_errors_name_the_matrix_and_the_reason():
    batch = wrap(np.stack([np.eye(3), np.diag([1.0, 0.0, 1.0]), np.zeros((3, 3))]))
    singular = raises("linalg.inv: (Batch element 1): The diagonal element 2 is zero", linalg.inv, batch)
    assert isinstance(singular, linalg.LinAlgError)
    raises("(Batch element 1): The solver failed because the input matrix is singular", linalg.solve, batch, batch)
    raises("(the leading minor of order 2 is not positive-definite)", linalg.cholesky, batch[1])
    raises("(Batch element 1): U[2,2] is zero", linalg.lu_factor, batch)
    raises("input matrix contained non-finite values", linalg.svd, wrap(np.full((2, 2), np.nan)))
    raises("(the leading minor of order 1 is not", linalg.cholesky, wrap(np.full((2, 2), np.nan)))
    raises("A must be batches of square matrices, but they are 2 by 3 matrices", linalg.det, matrix(2, 3))
    raises("AX = B (3x3 and 2x1)", linalg.solve, matrix(3, 3), matrix(2, 1))
    raises("does not have full rank", linalg.lstsq, batch[1], matrix(3, 2), driver="gels")
    raises("expected at least 2 tensors but got 1", linalg.multi_dot, [matrix(2, 2)])


def test_failures_are_told_apart_in_a_batch():
    batch = np.stack([np.eye(3), np.diag([1.0, 0.0, 1.0]), np.zeros((3, 3))])
    inverse, info = linalg.inv_ex(wrap(batch))
    assert info.tolist() == [0, 2, 1]
    near(inverse[0], np.eye(3))
    assert not np.isfinite(inverse.array[1:]).all()
    assert linalg.solve_ex(wrap(batch), wrap(batch)).info.tolist() == [0, 2, 1]
    assert linalg.lu_factor_ex(wrap(batch)).info.tolist() == [0, 2, 1]
    L, info = linalg.cholesky_ex(wrap(np.stack([4 * np.eye(3), np.diag([4.0, -1.0, 1.0])])))
    assert info.tolist() == [0, 2]
    near(L[0], 2 * np.eye(3))
    assert L[1, 0, 0].item() == 2  # what came before the failure


def test_out_takes_the_result_of_its_type_only():
    A = positive(3, 3)
    out = minitorch.empty(3, 3, dtype=minitorch.float64)
    assert linalg.inv(A, out=out) is out
    near(out, linalg.inv(A))
    values, vectors = minitorch.empty(0, dtype=minitorch.float64), minitorch.empty(0, dtype=minitorch.float64)
    result = linalg.eigh(A, out=(values, vectors))
    assert result.eigenvalues is values and vectors.shape == (3, 3)
    raises("dtype", linalg.inv, A, out=minitorch.empty(3, 3))
