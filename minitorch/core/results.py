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
