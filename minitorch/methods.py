"""The table that binds operators and methods to Tensor, and the one that gives functions torch's `out=`.

Every public operation named in METHODS becomes a method; every one in IN_PLACE also gets its in-place form `name_`;
those in OUT accept `out=` when called as functions (functions that make new tensors have an `out` of their own). Names
of operations that do not exist (yet) are passed over, so the table is torch's, and an operation is bound the moment it
is declared. The operators stand at the end.
"""

from __future__ import annotations

import functools

from . import ops
from .core.call import make_operator
from .core.inplace import apply_in_place, detach_, in_place, write_out
from .core.op import PUBLIC, namespace
from .core.promote import OPERANDS
from .core.refusals import findable, named, told
from .core.tensor import Tensor

METHODS = """
abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr all allclose amax amin aminmax any arccos arccosh
arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere as_strided asin asinh atan atan2 atanh baddbmm
bernoulli bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm
broadcast_to ceil cholesky cholesky_inverse cholesky_solve chunk clamp clamp_max clamp_min clip clone copysign
corrcoef cos cosh count_nonzero cov cross cummax cummin cumprod cumsum deg2rad det diag diag_embed diagflat diagonal
diagonal_scatter diff digamma dist div divide dot dsplit eq equal erf erfc erfinv exp exp2 expm1 flatten flip fliplr
flipud float_power floor floor_divide fmax fmin fmod frac gather ge geqrf greater greater_equal gt hardshrink
heaviside histc hsplit hypot igamma igammac index_add index_copy index_fill index_put index_reduce index_select inner
inverse isclose isfinite isinf isnan isneginf isposinf kron kthvalue ldexp le lerp less less_equal lgamma log log10
log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp logdet logical_and logical_not logical_or logical_xor logit
logsumexp lt lu lu_solve masked_fill masked_scatter masked_select matmul matrix_exp matrix_power max maximum mean
median min minimum mm mode moveaxis movedim msort mul multinomial multiply mv nan_to_num nanmean nanmedian nanquantile
nansum narrow ne neg negative nonzero norm not_equal outer permute pinverse positive pow prelu prod put qr quantile
rad2deg ravel reciprocal relu remainder renorm repeat_interleave reshape roll rot90 round rsqrt scatter scatter_add
scatter_reduce select select_scatter sigmoid sign signbit sin sinc sinh slice_scatter slogdet softmax sort split
split_with_sizes sqrt square squeeze std sub subtract sum svd swapaxes swapdims t take take_along_dim tan tanh
tensor_split tile topk trace transpose triangular_solve tril triu true_divide trunc unbind unflatten unique
unique_consecutive unsqueeze var vdot vsplit where xlogy
""".split()

IN_PLACE = """
abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh arctan arctan2
arctanh as_strided asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or
bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip copysign cos cosh cumprod cumsum deg2rad digamma
div divide eq erf erfc erfinv exp exp2 expm1 float_power floor floor_divide fmod frac ge greater greater_equal gt
heaviside hypot igamma igammac index_add index_copy index_fill index_put index_reduce ldexp le lerp less less_equal lgamma log log10
log1p log2 logical_and logical_not logical_or logical_xor logit lt masked_fill masked_scatter mul multiply nan_to_num
ne neg negative not_equal pow put rad2deg reciprocal relu remainder renorm round rsqrt scatter scatter_add
scatter_reduce sigmoid sign sin sinc sinh sqrt square squeeze sub subtract swapaxes swapdims t tan tanh transpose tril
triu true_divide trunc unsqueeze xlogy
""".split()

OUT = frozenset(
    """
abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr all amax amin aminmax any argmax argmin argsort
asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
bitwise_xor bmm bucketize ceil chain_matmul cholesky cholesky_inverse cholesky_solve clamp clamp_max clamp_min clip
column_stack copysign cos cosh cross cummax cummin cumprod cumsum deg2rad diag diff digamma div divide dot dstack eq
erf erfc erfinv exp exp2 expm1 fix float_power floor floor_divide fmax fmin fmod frac gather ge geqrf ger greater
greater_equal gt hardshrink heaviside histc hstack hypot igamma igammac index_add index_copy index_reduce index_select
inner inverse isin isneginf isposinf kron kthvalue ldexp le lerp less less_equal lgamma log log10 log1p log2
log_softmax logaddexp logaddexp2 logcumsumexp logical_and logical_not logical_or logical_xor logit logsumexp lt
lu lu_solve lu_unpack masked_select matmul matrix_power max maximum mean min minimum mm mode msort mul multiply mv
nan_to_num nanmean nanquantile nansum ne neg negative norm not_equal outer pow prod qr quantile rad2deg
reciprocal remainder renorm round row_stack rsqrt scatter scatter_add scatter_reduce searchsorted sgn sigmoid sign
signbit sin sinc sinh slice_scatter slogdet softmax sort sqrt square stack std std_mean sub subtract sum svd take
take_along_dim tan tanh tensordot topk triangular_solve tril triu true_divide trunc var var_mean vdot vstack where
xlogy
linalg.cholesky linalg.cholesky_ex linalg.cond linalg.cross linalg.det linalg.eigh linalg.eigvalsh linalg.inv
linalg.inv_ex linalg.lstsq linalg.lu linalg.lu_factor linalg.lu_factor_ex linalg.lu_solve linalg.matmul
linalg.matrix_norm linalg.matrix_power linalg.matrix_rank linalg.multi_dot linalg.norm linalg.pinv linalg.qr
linalg.slogdet linalg.solve linalg.solve_ex linalg.solve_triangular linalg.svd linalg.svdvals linalg.tensorinv
linalg.tensorsolve linalg.vecdot linalg.vector_norm
nn.functional.avg_pool2d nn.functional.avg_pool3d nn.functional.gelu nn.functional.logsigmoid nn.functional.softplus
nn.functional.softshrink
special.digamma special.entr special.erf special.erfc special.erfinv special.expit special.gammaln special.logit
special.logsumexp special.psi special.sinc
    """.split()
)

# Those whose `out=` must have the result's own type (of max and min: where they give indices too); the others convert,
# within the type's category.
OUT_OF_ONE_TYPE = frozenset(
    """
abs absolute addbmm addmm addmv all amax amin aminmax any argmax argmin baddbmm bitwise_not bmm bucketize ceil
chain_matmul cross cummax cummin cumprod cumsum diag dot floor frac gather hardshrink heaviside histc index_add
index_copy index_reduce index_select inverse isin isneginf isposinf kthvalue log_softmax logcumsumexp lu_solve
lu_unpack masked_select matmul matrix_power max median min mm mode msort mv nan_to_num nanquantile neg negative
norm qr quantile renorm round scatter scatter_add scatter_reduce searchsorted sgn sign signbit slice_scatter
slogdet softmax sort svd take take_along_dim tensordot topk triangular_solve tril triu trunc vdot where
linalg.cholesky linalg.cholesky_ex linalg.cross linalg.det linalg.eigh linalg.eigvalsh linalg.inv linalg.inv_ex
linalg.lu linalg.lu_factor linalg.lu_factor_ex linalg.lu_solve linalg.matmul linalg.matrix_norm linalg.matrix_power
linalg.multi_dot linalg.norm linalg.qr linalg.slogdet linalg.solve linalg.solve_ex linalg.solve_triangular linalg.svd
linalg.svdvals linalg.vecdot linalg.vector_norm
nn.functional.avg_pool2d nn.functional.avg_pool3d nn.functional.gelu nn.functional.logsigmoid nn.functional.softplus
nn.functional.softshrink
    """.split()
)
OUT_DECIDES = frozenset(["cumprod", "cumsum"])  # these compute in the type of `out`
# The class of the error for an `out` of a category that the result does not convert to, where it is no RuntimeError.
REFUSAL: dict[str, type[Exception]] = {
    **dict.fromkeys(["column_stack", "dstack", "hstack", "row_stack", "stack", "vstack"], TypeError),
    **dict.fromkeys(["nanmean", "nansum"], NotImplementedError),
}


def as_function(name: str, function):
    """What users call by torch's `name`: with errors that name it, and with the keyword `out=` where torch has that."""
    public = with_out(name, function) if name in OUT else named(name, function)
    module, _, short = f"minitorch.{name}".rpartition(".")
    return public if public is function else findable(public, module, short)


def with_out(name: str, function):
    """`function`, with torch's keyword `out=`: the result is copied into that tensor, which is returned."""
    one_type = name in OUT_OF_ONE_TYPE
    refusal = REFUSAL.get(name, RuntimeError)

    @functools.wraps(function)
    def call(*args, out=None, **kwargs):
        try:
            if out is None:
                return function(*args, **kwargs)
            if name in OUT_DECIDES and kwargs.get("dtype") is None:
                kwargs["dtype"] = out.dtype
            result = function(*args, **kwargs)
            exact = one_type and (name not in ("max", "min") or isinstance(result, tuple))
            return write_out(name, out, result, exact, refusal)
        except Exception as error:
            told(error, name, (*args, *kwargs.values()))
            raise

    return call


def functions(prefix: str) -> dict:
    """The public functions of one torch namespace ("linalg", "nn.functional"), by their names within it."""
    return {name: as_function(f"{prefix}.{name}", f) for name, f in namespace(prefix).items()}


def _reflected(function):
    """The operator's form for a tensor on the right: function(left, right), where the left operand is not a tensor."""

    @functools.wraps(function)
    def method(self, other):
        if not isinstance(self, Tensor):
            raise TypeError(f"a reflected operator of Tensor doesn't apply to a '{type(self).__name__}' object")
        return function(other, self) if isinstance(other, OPERANDS) else NotImplemented

    return method


def _commuted(function):
    """The reflected form of an operation for which the order of its operands does not matter."""
    return _reflected(lambda left, right: function(right, left))


def _written(function, name: str):
    """The augmented assignment `name`, which leaves foreign operands to them."""

    @functools.wraps(function)
    def method(self, other):
        if not isinstance(other, OPERANDS):
            return NotImplemented
        return apply_in_place(name, function, self, (other,))

    method.__name__ = method.__qualname__ = name
    return method


def _set_method(name: str, function) -> None:
    method = named(name, function)
    setattr(Tensor, name, method if method is function else findable(method, Tensor.__module__, f"Tensor.{name}"))


def bind() -> None:
    """Put operators and methods on Tensor."""
    for name in METHODS:
        if name in PUBLIC:
            _set_method(name, PUBLIC[name])
    for name, function in PUBLIC.items():
        if name.startswith("Tensor."):
            _set_method(name.removeprefix("Tensor."), function)
    for name in IN_PLACE:
        returning = PUBLIC.get(name) or PUBLIC.get(f"Tensor.{name}")
        if returning is not None and f"Tensor.{name}_" not in PUBLIC:
            _set_method(f"{name}_", in_place(returning, f"{name}_"))
    for name, function in operators().items():
        setattr(Tensor, name, function)
    Tensor.detach_ = detach_


def operators() -> dict:
    """Python's operators by their special names."""
    arithmetic, comparison = ops.arithmetic, ops.comparison
    table = {
        "__add__": make_operator(arithmetic.add_tensors.op),
        "__radd__": _commuted(arithmetic.add_tensors),
        "__sub__": make_operator(arithmetic.sub_tensors.op),
        "__rsub__": _reflected(arithmetic.sub_tensors),
        "__mul__": make_operator(arithmetic.mul.op),
        "__rmul__": _commuted(arithmetic.mul),
        "__truediv__": make_operator(arithmetic.true_div.op),
        "__rtruediv__": _reflected(lambda left, right: right.reciprocal() * left),  # torch rounds twice here
        "__rdiv__": _reflected(lambda left, right: right.reciprocal() * left),
        "__floordiv__": make_operator(arithmetic.floor_divide.op),
        "__rfloordiv__": _reflected(arithmetic.floor_divide),
        "__mod__": make_operator(arithmetic.remainder.op),
        "__rmod__": _reflected(arithmetic.remainder),
        "__pow__": arithmetic.power,
        "__rpow__": _reflected(arithmetic.power),
        "__neg__": arithmetic.neg,
        "__pos__": arithmetic.positive,
        "__abs__": arithmetic.abs,
        "__invert__": comparison.bitwise_not,
        "__and__": make_operator(comparison.bitwise_and.op),
        "__rand__": _reflected(comparison.bitwise_and),
        "__or__": make_operator(comparison.bitwise_or.op),
        "__ror__": _reflected(comparison.bitwise_or),
        "__xor__": make_operator(comparison.bitwise_xor.op),
        "__rxor__": _reflected(comparison.bitwise_xor),
        "__lshift__": make_operator(comparison.bitwise_left_shift.op),
        "__rlshift__": _reflected(comparison.bitwise_left_shift),
        "__rshift__": make_operator(comparison.bitwise_right_shift.op),
        "__rrshift__": _reflected(comparison.bitwise_right_shift),
        "__lt__": make_operator(comparison.lt.op),
        "__le__": make_operator(comparison.le.op),
        "__gt__": make_operator(comparison.gt.op),
        "__ge__": make_operator(comparison.ge.op),
        "__eq__": make_operator(comparison.eq.op),
        "__ne__": make_operator(comparison.ne.op),
        "__hash__": object.__hash__,
    }
    table |= {"__matmul__": ops.matmul.matrix_product, "__rmatmul__": _reflected(ops.matmul.public_matmul)}
    in_place_forms = {
        "__iadd__": arithmetic.add_tensors,
        "__isub__": arithmetic.sub_tensors,
        "__imul__": arithmetic.mul,
        "__itruediv__": arithmetic.true_div,
        "__ifloordiv__": arithmetic.floor_divide,
        "__imod__": arithmetic.remainder,
        "__ipow__": arithmetic.pow,
        "__iand__": comparison.bitwise_and,
        "__ior__": comparison.bitwise_or,
        "__ixor__": comparison.bitwise_xor,
        "__ilshift__": comparison.bitwise_left_shift,
        "__irshift__": comparison.bitwise_right_shift,
    }
    table |= {name: _written(function, name) for name, function in in_place_forms.items()}
    return table
