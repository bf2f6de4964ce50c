"""The words a parity run can be told: what to check, in which dtypes, in which memory layouts."""

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
CHECKS = ("forward", "accuracy", "grad", "grad2", "jvp", "vmap", "method", "inplace", "operator", "out", "error")
LAYOUTS = ("permuted", "sliced", "broadcast", "negative")
NARROW = ("float32", "float16", "bfloat16")  # those whose rounding errors a float64 truth shows
