"""What each primitive operation is in ONNX (operator set 20): name -> converter(graph, inputs, params, tensors, outs).

inputs: the names of tensors, Python numbers, None. tensors: the same as they were given. outs: the results.
The definitions of the ONNX operators: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .graph import Graph

CONVERTERS: dict[str, Callable] = {}


def converts(*names: str) -> Callable:
    def register(converter: Callable) -> Callable:
        CONVERTERS.update(dict.fromkeys(names, converter))
        return converter

    return register


def _ints(values: Any) -> np.ndarray:
    return np.array(list(values) if not isinstance(values, int) else [values], np.int64)


def _dtype(tensor: Any) -> np.dtype:
    return tensor.array.dtype


def _as_type(g: Graph, name: Any, given: Any, dtype: np.dtype) -> Any:
    """An input in another type: numbers become constants, tensors are cast where they differ."""
    if not isinstance(given, Tensor):
        return np.array(given, dtype)
    return name if given.array.dtype == dtype else g.cast(name, dtype)


# Elementwise

SAME_NAME = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "neg": "Neg",
    "abs": "Abs", "floor": "Floor", "ceil": "Ceil", "reciprocal": "Reciprocal", "erf": "Erf", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh",
    "sign": "Sign", "round": "Round", "logical_not": "Not", "isnan": "IsNaN", "isinf": "IsInf",
    "mish_kernel": "Mish", "hardswish_kernel": "HardSwish", "copied": "Identity",
}  # fmt: skip


def _register_unary(name: str, kind: str) -> None:
    CONVERTERS[name] = lambda g, x, p, t, outs: g.add(kind, _as_type(g, x[0], t[0], _dtype(outs[0]))
                                                      if kind not in ("Not", "IsNaN", "IsInf") else x[0])  # fmt: skip


for _name, _kind in SAME_NAME.items():
    _register_unary(_name, _kind)

BINARY = {
    "add_tensors": "Add", "sub_tensors": "Sub", "mul": "Mul", "true_div": "Div", "add_bias": "Add", "maximum": "Max",
    "minimum": "Min", "pow_tensors": "Pow", "matmul": "MatMul", "mm": "MatMul", "mv": "MatMul", "dot": "MatMul", "prelu_kernel": "PRelu",
}  # fmt: skip
COMPARISONS = {"gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual", "eq": "Equal"}
LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}
BITS = {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor", "bitwise_not": "Not"}


@converts(*BINARY)
def _binary(g, x, p, t, outs, kind=None):
    dtype = _dtype(outs[0])
    return g.add(kind, *[_as_type(g, name, given, dtype) for name, given in zip(x, t, strict=True)])


def _compare(g, x, p, t, outs, kind):
    arrays = [given.array if isinstance(given, Tensor) else given for given in t]
    dtype = np.result_type(*arrays)
    return g.add(kind, *[_as_type(g, name, given, dtype) for name, given in zip(x, t, strict=True)])


def _with_kind(function: Callable, kind: str) -> Callable:
    return lambda g, x, p, t, outs: function(g, x, p, t, outs, kind)


for _name, _kind in BINARY.items():
    CONVERTERS[_name] = _with_kind(_binary, _kind)
for _name, _kind in COMPARISONS.items():
    CONVERTERS[_name] = _with_kind(_compare, _kind)
for _name, _kind in LOGIC.items():
    CONVERTERS[_name] = _with_kind(
        lambda g, x, p, t, outs, kind: g.add(
            kind, *[_as_type(g, n, v, np.dtype(bool)) for n, v in zip(x, t, strict=True)]
        ),
        _kind,
    )


def _bits(g, x, p, t, outs, kind):
    """On booleans the logical operation."""
    dtype = _dtype(outs[0])
    names = [_as_type(g, name, given, dtype) for name, given in zip(x, t, strict=True)]
    return g.add(kind if dtype.kind == "b" else f"Bitwise{kind}", *names)


for _name, _kind in BITS.items():
    CONVERTERS[_name] = _with_kind(_bits, _kind)
CONVERTERS["ne"] = lambda g, x, p, t, outs: g.add("Not", _compare(g, x, p, t, outs, "Equal"))


@converts("convert")
def _convert(g, x, p, t, outs):
    return g.cast(x[0], _dtype(outs[0]))


@converts("pow_scalar")
def _pow_scalar(g, x, p, t, outs):
    dtype = _dtype(outs[0])
    return g.add("Pow", _as_type(g, x[0], t[0], dtype), np.array(p["exponent"], dtype))


@converts("square")
def _square(g, x, p, t, outs):
    return g.add("Mul", x[0], x[0])


@converts("rsqrt")
def _rsqrt(g, x, p, t, outs):
    return g.add("Reciprocal", g.add("Sqrt", x[0]))


@converts("log_sigmoid")
def _log_sigmoid(g, x, p, t, outs):
    return g.add("Neg", g.add("Softplus", g.add("Neg", x[0])))


@converts("silu_kernel")
def _silu(g, x, p, t, outs):
    return g.add("Mul", x[0], g.add("Sigmoid", x[0]))


@converts("gelu_exact")
def _gelu(g, x, p, t, outs):
    return g.add("Gelu", x[0])


@converts("gelu_tanh")
def _gelu_tanh(g, x, p, t, outs):
    return g.add("Gelu", x[0], approximate="tanh")


@converts("hardsigmoid_kernel")
def _hardsigmoid(g, x, p, t, outs):
    return g.add("HardSigmoid", x[0], alpha=1 / 6, beta=0.5)


@converts("clipped", "clamp_between")
def _clip(g, x, p, t, outs):
    dtype = _dtype(outs[0])
    limits = (p.get("low", p.get("min")), p.get("high", p.get("max")))
    return g.add("Clip", x[0], *[None if limit is None else np.array(limit, dtype) for limit in limits])


@converts("leaky")
def _leaky(g, x, p, t, outs):
    return g.add("LeakyRelu", x[0], alpha=float(p["slope"]))


@converts("exponential_linear")
def _exponential_linear(g, x, p, t, outs):
    """scale x for x > 0, negative (exp(rate x) - 1) below"""
    number = _dtype(outs[0]).type
    below = g.add("Sub", g.add("Exp", g.add("Mul", x[0], number(p["rate"]))), number(1))
    below = g.add("Mul", below, number(p["negative"]))
    return g.add("Where", g.add("Greater", x[0], number(0)), g.add("Mul", x[0], number(p["scale"])), below)


@converts("softplus_kernel")
def _softplus(g, x, p, t, outs):
    number = _dtype(outs[0]).type
    scaled = g.add("Mul", x[0], number(p["beta"]))
    soft = g.add("Div", g.add("Softplus", scaled), number(p["beta"]))
    return g.add("Where", g.add("Greater", scaled, number(p["threshold"])), x[0], soft)


@converts("threshold_kernel")
def _threshold(g, x, p, t, outs):
    number = _dtype(outs[0]).type
    return g.add("Where", g.add("Greater", x[0], number(p["threshold"])), x[0], number(p["value"]))


@converts("softshrink_kernel")
def _softshrink(g, x, p, t, outs):
    return g.add("Shrink", x[0], bias=float(p["bound"]), lambd=float(p["bound"]))


@converts("hardshrink_kernel")
def _hardshrink(g, x, p, t, outs):
    return g.add("Shrink", x[0], bias=0.0, lambd=float(p["bound"]))


@converts("softmax", "log_softmax")
def _softmax(g, x, p, t, outs):
    return g.add("Softmax", x[0], axis=p["dim"])


CONVERTERS["log_softmax"] = lambda g, x, p, t, outs: g.add("LogSoftmax", x[0], axis=p["dim"])


@converts("choose")
def _choose(g, x, p, t, outs):
    dtype = _dtype(outs[0])
    return g.add("Where", x[0], _as_type(g, x[1], t[1], dtype), _as_type(g, x[2], t[2], dtype))


@converts("masked")
def _masked(g, x, p, t, outs):
    return g.add("Where", x[1], _as_type(g, x[2], t[2], _dtype(outs[0])), x[0])


# Products


@converts("linear_layer")
def _linear(g, x, p, t, outs):
    """x W^T + b"""
    value, weight, bias = x
    if t[0].ndim == 2 and bias is not None:
        return g.add("Gemm", value, weight, bias, transB=1)
    product = g.add("MatMul", value, g.add("Transpose", weight, perm=[1, 0]) if t[1].ndim == 2 else weight)
    return product if bias is None else g.add("Add", product, bias)


@converts("conv1d", "conv2d", "conv3d")
def _conv(g, x, p, t, outs):
    attributes = dict(strides=p["stride"], pads=list(p["padding"]) * 2, dilations=p["dilation"], group=p["groups"])
    return g.add("Conv", x[0], x[1], kernel_shape=list(t[1].shape[2:]), **attributes)


@converts("conv1d_input", "conv2d_input", "conv3d_input")
def _conv_transpose(g, x, p, t, outs):
    """The adjoint of a convolution; output padding makes up the size that the stride leaves open."""
    sizes = zip(p["size"][2:], t[0].shape[2:], t[1].shape[2:], p["stride"], p["padding"], p["dilation"], strict=True)
    extra = [out - ((n - 1) * stride - 2 * pad + dilation * (k - 1) + 1) for out, n, k, stride, pad, dilation in sizes]
    return g.add(
        "ConvTranspose", x[0], x[1], strides=p["stride"], pads=list(p["padding"]) * 2, dilations=p["dilation"],
        group=p["groups"], output_padding=extra, kernel_shape=list(t[1].shape[2:]),
    )  # fmt: skip


@converts("embedding_rows")
def _embedding(g, x, p, t, outs):
    return g.add("Gather", x[0], x[1], axis=0)


@converts("attention")
def _attention(g, x, p, t, outs):
    """softmax(scale q k^T + mask) v"""
    query, key, value, mask = x
    dims = [*range(t[1].ndim - 2), t[1].ndim - 1, t[1].ndim - 2]
    scores = g.add("MatMul", query, g.add("Transpose", key, perm=dims))
    scores = g.add("Mul", scores, np.array(p["scale"], _dtype(outs[0])))
    if p["causal"]:
        rows, columns = t[0].shape[-2], t[1].shape[-2]
        future = np.triu(np.full((rows, columns), -np.inf), 1).astype(_dtype(outs[0]))
        scores = g.add("Add", scores, future)
    if mask is not None:
        if _dtype(t[3]).kind == "b":
            lowest = np.array(-np.inf, _dtype(outs[0]))
            scores = g.add("Where", mask, scores, lowest)
        else:
            scores = g.add("Add", scores, mask)
    return (g.add("MatMul", g.add("Softmax", scores, axis=-1), value),)


# Normalisation: (x - mean) / sqrt(var + eps) * weight + bias


def _scaled(g: Graph, value: Any, weight: Any, bias: Any) -> Any:
    value = value if weight is None else g.add("Mul", value, weight)
    return value if bias is None else g.add("Add", value, bias)


@converts("batch_norm_eval")
def _batch_norm(g, x, p, t, outs):
    value, mean, var, weight, bias = x
    deviation = g.add("Sqrt", g.add("Add", var, np.array(p["eps"], _dtype(t[2]))))
    return _scaled(g, g.add("Div", g.add("Sub", value, mean), deviation), weight, bias)


@converts("layer_norm", "group_norm", "instance_norm")
def _norm(g, x, p, t, outs):
    value, weight, bias = x
    axes = _ints(p["dims"])
    centred = g.add("Sub", value, g.add("ReduceMean", value, axes))
    var = g.add("ReduceMean", g.add("Mul", centred, centred), axes)
    deviation = g.add("Sqrt", g.add("Add", var, np.array(p["eps"], _dtype(outs[0]))))
    return (_scaled(g, g.add("Div", centred, deviation), weight, bias),)


@converts("root_mean_square_norm")
def _rms_norm(g, x, p, t, outs):
    square = g.add("ReduceMean", g.add("Mul", x[0], x[0]), _ints(p["dims"]))
    root = g.add("Sqrt", g.add("Add", square, np.array(p["eps"], _dtype(outs[0]))))
    return _scaled(g, g.add("Div", x[0], root), x[1], None)


# Pooling and resampling


@converts("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool(g, x, p, t, outs):
    return (
        g.add(
            "MaxPool", x[0], kernel_shape=p["kernel_size"], strides=p["stride"], pads=list(p["padding"]) * 2,
            dilations=p["dilation"], ceil_mode=int(p["ceil_mode"]),
        ),
    )  # fmt: skip


@converts("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(g, x, p, t, outs):
    divisor = p.get("divisor_override")
    pooled = g.add(
        "AveragePool", x[0], kernel_shape=p["kernel_size"], strides=p["stride"], pads=list(p["padding"]) * 2,
        ceil_mode=int(p["ceil_mode"]), count_include_pad=int(p["count_include_pad"] or bool(divisor)),
    )  # fmt: skip
    return g.add("Mul", pooled, _dtype(outs[0]).type(math.prod(p["kernel_size"]) / divisor)) if divisor else pooled


@converts("adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices")
def _adaptive_max_pool(g, x, p, t, outs):
    sizes, wanted = t[0].shape[-len(p["output_size"]) :], p["output_size"]
    if any(size % want for size, want in zip(sizes, wanted, strict=True)):
        raise NotImplementedError(f"onnx.export(): adaptive max pooling of {list(sizes)} to {list(wanted)}")
    kernel = [size // want for size, want in zip(sizes, wanted, strict=True)]
    return (g.add("MaxPool", x[0], kernel_shape=kernel, strides=kernel),)


@converts("resample")
def _resample(g, x, p, t, outs):
    """out[i] = sum_j weight[i, j] x[index[i, j]] along one dimension: picking, or a product with a matrix."""
    dim, index, weight = p["dim"], np.asarray(p["index"]), p["weight"]
    if weight is None:
        return g.add("Gather", x[0], index[:, 0].astype(np.int64), axis=dim)
    matrix = np.zeros((t[0].shape[dim], len(index)), _dtype(outs[0]))
    for row, (places, weights) in enumerate(zip(index, np.asarray(weight), strict=True)):
        np.add.at(matrix[:, row], places, weights)
    order = [d for d in range(t[0].ndim) if d != dim] + [dim]
    moved = g.add("MatMul", g.add("Transpose", x[0], perm=order), matrix)
    return g.add("Transpose", moved, perm=[int(d) for d in np.argsort(order)])


@converts("pad_sides")
def _pad(g, x, p, t, outs):
    value = np.array(p["value"], _dtype(outs[0]))
    return g.add("Pad", x[0], _ints([*p["before"], *p["after"]]), value)


# Shape


@converts("view_as_shape", "copied_as_shape", "insert_dim", "squeeze_dims", "view_as")
def _reshape(g, x, p, t, outs):
    return g.add("Reshape", x[0], _ints(outs[0].shape), allowzero=int(0 in outs[0].shape))


@converts("permute_dims")
def _permute(g, x, p, t, outs):
    return g.add("Transpose", x[0], perm=list(p["dims"]))


@converts("transpose_matrix")
def _transpose(g, x, p, t, outs):
    return g.add("Transpose", x[0], perm=list(range(t[0].ndim))[::-1])


@converts("swap_dims")
def _swap(g, x, p, t, outs):
    order = list(range(t[0].ndim))
    order[p["dim0"]], order[p["dim1"]] = order[p["dim1"]], order[p["dim0"]]
    return g.add("Transpose", x[0], perm=order)


@converts("expand_to")
def _expand(g, x, p, t, outs):
    return g.add("Expand", x[0], _ints(outs[0].shape))


@converts("slice_view")
def _slice(g, x, p, t, outs):
    index = [part for part in p["index"] if part is not Ellipsis]
    place = next((k for k, part in enumerate(p["index"]) if part is Ellipsis), len(index))
    missing = t[0].ndim - sum(part is not None for part in index)
    index[place:place] = [slice(None)] * missing
    starts, ends, axes, steps = [], [], [], []
    for axis, part in enumerate(part for part in index if part is not None):
        size = t[0].shape[axis]
        if isinstance(part, slice):
            start, end, step = part.indices(size)
        else:
            start, end, step = int(part) % max(size, 1), int(part) % max(size, 1) + 1, 1
        if (start, end, step) != (0, size, 1):
            starts.append(start)
            ends.append(end)
            axes.append(axis)
            steps.append(step)
    value = g.add("Slice", x[0], *map(_ints, (starts, ends, axes, steps))) if axes else x[0]
    return g.add("Reshape", value, _ints(outs[0].shape), allowzero=int(0 in outs[0].shape))


@converts("split_views")
def _split(g, x, p, t, outs):
    if len(outs) == 1:
        return (g.add("Identity", x[0]),)
    return g.add("Split", x[0], _ints(p["sizes"]), axis=p["dim"], outputs=len(outs))


@converts("unbind_views")
def _unbind(g, x, p, t, outs):
    dim = p["dim"]
    parts = [g.add("Gather", x[0], np.array(k, np.int64), axis=dim) for k in range(len(outs))]
    return tuple(parts)


@converts("concatenate")
def _concat(g, x, p, t, outs):
    dtype = _dtype(outs[0])
    return g.add("Concat", *[_as_type(g, n, v, dtype) for n, v in zip(x, t, strict=True)], axis=p["dim"])


@converts("stacked")
def _stack(g, x, p, t, outs):
    return g.add("Concat", *[g.add("Unsqueeze", name, _ints(p["dim"])) for name in x], axis=p["dim"])


# Reductions

REDUCTIONS = {
    "sum_dims": "ReduceSum", "mean_dims": "ReduceMean", "amax_dims": "ReduceMax", "amin_dims": "ReduceMin",
    "prod_dim": "ReduceProd", "logsumexp_dims": "ReduceLogSumExp",
    "sum_all": "ReduceSum", "mean_all": "ReduceMean", "max_all": "ReduceMax", "min_all": "ReduceMin",
    "prod_all": "ReduceProd",
}  # fmt: skip


def _axes(params: dict) -> np.ndarray | None:
    dim = params.get("dim", params.get("dims"))
    return None if dim is None else _ints(dim)


def _reduce(g, x, p, t, outs, kind):
    return g.add(kind, _as_type(g, x[0], t[0], _dtype(outs[0])), _axes(p), keepdims=int(p.get("keepdim", False)))


for _name, _kind in REDUCTIONS.items():
    CONVERTERS[_name] = _with_kind(_reduce, _kind)


def _extremum(g, x, p, t, outs, kind):
    """The value and its first place."""
    keep = int(p["keepdim"])
    place = g.add(f"Arg{kind}", x[0], axis=p["dim"], keepdims=keep)
    return g.add(f"Reduce{kind}", x[0], _ints(p["dim"]), keepdims=keep), place


CONVERTERS["max_dim"] = _with_kind(_extremum, "Max")
CONVERTERS["min_dim"] = _with_kind(_extremum, "Min")
CONVERTERS["argmax_dim"] = lambda g, x, p, t, outs: g.add("ArgMax", x[0], axis=p["dim"], keepdims=int(p["keepdim"]))
CONVERTERS["argmin_dim"] = lambda g, x, p, t, outs: g.add("ArgMin", x[0], axis=p["dim"], keepdims=int(p["keepdim"]))


@converts("var_dims", "std_dims")
def _variance(g, x, p, t, outs, root=False):
    axes, keep = _axes(p), int(p["keepdim"])
    count = t[0].array.size // max(outs[0].array.size, 1)
    centred = g.add("Sub", x[0], g.add("ReduceMean", x[0], axes))
    total = g.add("ReduceSum", g.add("Mul", centred, centred), axes, keepdims=keep)
    variance = g.add("Div", total, np.array(max(count - p["correction"], 0), _dtype(outs[0])))
    return g.add("Sqrt", variance) if root else variance


CONVERTERS["std_dims"] = lambda g, x, p, t, outs: _variance(g, x, p, t, outs, root=True)


@converts("vector_norm_dims")
def _vector_norm(g, x, p, t, outs):
    if p["ord"] not in (1, 2):
        raise NotImplementedError(f"onnx.export(): a norm of order {p['ord']}")
    return g.add(f"ReduceL{int(p['ord'])}", x[0], _axes(p), keepdims=int(p["keepdim"]))


@converts("cumsum_dim")
def _cumsum(g, x, p, t, outs):
    return g.add("CumSum", x[0], np.array(p["dim"], np.int64))
