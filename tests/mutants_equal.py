"""Mutants of `python -m tests.mutate` that compute what the original computes: no test can catch them, and why."""

BY_REASON: dict[str, tuple[str, ...]] = {
    "at the bound both pieces are 0": (
        "activation.py boundary: leaky: input > 0  ->  input >= 0",
        "activation.py boundary: prelu_kernel: input > 0  ->  input >= 0",
        "activation.py boundary: softshrink_kernel: input < -bound  ->  input <= -bound",
        "activation.py boundary: softshrink_kernel: input > bound  ->  input >= bound",
    ),
    "both formulas hold at the bound": (
        "arithmetic.py boundary: lerp_between: np.abs(weight) < 0.5  ->  np.abs(weight) <= 0.5",
        "qr.py boundary: _qr_gradient: m >= n  ->  m > n",
        "special.py boundary: erfc_array: size < 0.84375  ->  size <= 0.84375",
        "special.py boundary: erfc_array: size < 1.25  ->  size <= 1.25",
        "gamma.py boundary: regularized: x < a + 1  ->  x <= a + 1",
    ),
    "what is added for a square matrix is empty or 0": (
        "lu.py boundary: _lu_gradient: n > k  ->  n >= k",
        "singular.py boundary: _svd_rule: u.array.shape[-2] > k  ->  u.array.shape[-2] >= k",
        "elimination.py boundary: lu_decompose: stop < n  ->  stop <= n",
    ),
    "a shortcut: the general way, taken instead, gives the same": (
        "softmax.py boundary: softmax_function: 0 <= dim < input.array.ndim  ->  0 < dim < input.array.ndim",
        "softmax.py boundary: log_softmax_function: 0 <= dim < input.array.ndim  ->  0 < dim < input.array.ndim",
        "softmax.py boundary: functional_softmax: -ndim <= dim < ndim  ->  -ndim < dim < ndim",
        "reduce.py boundary: reduced_dims: 0 <= dim < ndim  ->  0 < dim < ndim",
        "shape.py boundary: squeeze: 0 <= dim < len(shape)  ->  0 < dim < len(shape)",
        "shape.py boundary: unsqueeze: 0 <= dim <= ndim  ->  0 < dim <= ndim",
        "shape.py boundary: unsqueeze: 0 <= dim <= ndim  ->  0 <= dim < ndim",
        "permute.py boundary: transpose: -ndim <= dim0 < ndim  ->  -ndim < dim0 < ndim",
        "permute.py boundary: transpose: -ndim <= dim1 < ndim  ->  -ndim < dim1 < ndim",
        "join.py boundary: _sizes: dim >= 0  ->  dim > 0",
    ),
    "at this size the one way is as good as the other, which differs in speed or in the order of additions": (
        "only.py boundary: only: input.size < SMALL  ->  input.size <= SMALL",
        "pick.py boundary: on_lines: index.size < 4096  ->  index.size <= 4096",
        "product.py boundary: multiply_reduce: array.size <= 32  ->  array.size < 32",
        "reduce.py boundary: add_reduce: input.size <= SMALL  ->  input.size < SMALL",
        "reduce.py boundary: sum_all: input.size <= SMALL  ->  input.size < SMALL",
        "reduce.py boundary: mean_all: input.size <= SMALL  ->  input.size < SMALL",
        "reduce.py boundary: _add_along: 0 < n <= 8  ->  0 < n < 8",
        "reduce.py boundary: _add_along: n <= BLOCK  ->  n < BLOCK",
        "reduce.py boundary: _add_along: step < 16 * array.itemsize  ->  step <= 16 * array.itemsize",
        "reduce.py boundary: _add_contiguous: n <= LONG  ->  n < LONG",
        "reduce.py boundary: _cascade: n <= BLOCK  ->  n < BLOCK",
        "distances.py boundary: <lambda>: rows > _FEW  ->  rows >= _FEW",
        "sort.py boundary: _leading: n < 64  ->  n <= 64",
        "sort.py boundary: _leading: 4 * k > n  ->  4 * k >= n",
        "elimination.py boundary: _substitute: n > BLOCK  ->  n >= BLOCK",
    ),
    "an array without elements has left by the branch for small ones": (
        "reduce.py boundary: _add_along: 0 < n <= 8  ->  0 <= n <= 8",
    ),
    "the axis itself is not among those before it": ("reduce.py boundary: add_reduce: e < d  ->  e <= d",),
    "one more step of a series that has converged": (
        "gamma.py boundary: _series: term > total * 1e-17  ->  term >= total * 1e-17",
        "gamma.py boundary: _fraction: np.abs(step - 1) > 3e-16  ->  np.abs(step - 1) >= 3e-16",
    ),
    "integers are refused before": (
        "activation.py dtype: hardswish_kernel: PROMOTE -> FLOAT",
        "activation.py dtype: hardsigmoid_kernel: PROMOTE -> FLOAT",
        "activation.py dtype: hardshrink_kernel: PROMOTE -> FLOAT",
        "activation.py dtype: softshrink_kernel: PROMOTE -> FLOAT",
        "arithmetic.py dtype: lerp_between: PROMOTE -> FLOAT",
        "arithmetic.py dtype: addcdiv_scaled: PROMOTE -> FLOAT",
    ),
    "its one floating input is only moved: nothing is rounded": (
        "adaptive_pool.py dtype: unpool_planes: SAME -> KEEP",
        "adaptive_pool.py dtype: adaptive_max_pool1d_with_indices: SAME -> KEEP",
        "adaptive_pool.py dtype: adaptive_max_pool2d_with_indices: SAME -> KEEP",
        "adaptive_pool.py dtype: adaptive_max_pool3d_with_indices: SAME -> KEEP",
    ),
    "a gradient and the output it belongs to are of one type": ("activation.py dtype: relu_backward: PROMOTE -> KEEP",),
    "LAPACK's types alone come here: half types are refused before": (
        "eigen.py dtype: symmetric_eigenvalues: SAME -> KEEP",
    ),
    "an infinite order is not 0": ("norms.py boundary: vector_norm_dims: ord > 0  ->  ord >= 0",),
    "erf(6) is 1 by either piece": ("special.py boundary: erf_array: size < 6  ->  size <= 6",),
    "at x = 0 the series gives the limit that stood there already": (
        "gamma.py boundary: regularized: x > 0  ->  x >= 0 (number 2)",
    ),
    "then each place is divided by 1": ("part.py boundary: _restride_shared: n > 1  ->  n >= 1",),
    "at 1/2 the region before has been taken, whose bound is wider": (
        "implicit.py boundary: dirichlet_grad: x >= 0.5  ->  x > 0.5",
    ),
    "a rest by 0 is nan whatever is added": ("arithmetic.py boundary: remainder: other < 0  ->  other <= 0",),
    "the same condition demands that the rest is not 0": (
        "arithmetic.py boundary: remainder: rest < 0  ->  rest <= 0",
    ),
    "0 takes the place of an exponent of 0": (
        "arithmetic.py boundary: _integer_power: exponent < 0  ->  exponent <= 0",
    ),
}
EQUAL: dict[str, str] = {name: reason for reason, names in BY_REASON.items() for name in names}
