"""Named results: what reductions with several outputs return, as torch's `torch.return_types`.

Each is a named tuple, so it unpacks, and prints as torch prints it.
"""

from __future__ import annotations

from collections import namedtuple


def _result(name: str, *fields: str):
    class Result(namedtuple(name, fields)):
        __slots__ = ()

        def __repr__(self) -> str:
            parts = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"torch.return_types.{name}(\n{parts})"

    Result.__name__ = Result.__qualname__ = name
    Result.__doc__ = f"The result of `{name}`: ({', '.join(fields)})."
    return Result


max = _result("max", "values", "indices")
min = _result("min", "values", "indices")
median = _result("median", "values", "indices")
nanmedian = _result("nanmedian", "values", "indices")
mode = _result("mode", "values", "indices")
kthvalue = _result("kthvalue", "values", "indices")
sort = _result("sort", "values", "indices")
topk = _result("topk", "values", "indices")
cummax = _result("cummax", "values", "indices")
cummin = _result("cummin", "values", "indices")
aminmax = _result("aminmax", "min", "max")
histogram = _result("histogram", "hist", "bin_edges")

# Linear algebra.
slogdet = _result("slogdet", "sign", "logabsdet")
linalg_slogdet = _result("linalg_slogdet", "sign", "logabsdet")
linalg_inv_ex = _result("linalg_inv_ex", "inverse", "info")
linalg_solve_ex = _result("linalg_solve_ex", "result", "info")
linalg_cholesky_ex = _result("linalg_cholesky_ex", "L", "info")
linalg_eigh = _result("linalg_eigh", "eigenvalues", "eigenvectors")
linalg_lstsq = _result("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
linalg_lu = _result("linalg_lu", "P", "L", "U")
linalg_lu_factor = _result("linalg_lu_factor", "LU", "pivots")
linalg_lu_factor_ex = _result("linalg_lu_factor_ex", "LU", "pivots", "info")
linalg_qr = _result("linalg_qr", "Q", "R")
linalg_svd = _result("linalg_svd", "U", "S", "Vh")
geqrf = _result("geqrf", "a", "tau")
lu_with_info = _result("_lu_with_info", "LU", "pivots", "info")
lu_unpack = _result("lu_unpack", "P", "L", "U")
qr = _result("qr", "Q", "R")
svd = _result("svd", "U", "S", "V")
triangular_solve = _result("triangular_solve", "solution", "cloned_coefficient")
