"""Exponentials, logarithms, trigonometric and hyperbolic functions, elementwise.

Derivatives: Abramowitz & Stegun, Handbook of Mathematical Functions, chapters 4 and 7.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.op import ELEMENTWISE, FLOAT, FLOATING_ONLY, op
from ..core.tensor import Tensor, wrap

LN2, LN10 = math.log(2), math.log(10)


@op(ELEMENTWISE, torch="exp", dtype=FLOAT, vjp=dict(input=lambda g, z: g * z))
def exp(input):
    """z = e^input"""
    return np.exp(input)


@op(ELEMENTWISE, torch="exp2", dtype=FLOAT, vjp=dict(input=lambda g, z: g * (z * LN2)))
def exp2(input):
    """z = 2^input"""
    return np.exp2(input)


@op(ELEMENTWISE, torch="expm1", dtype=FLOAT, vjp=dict(input=lambda g, z: g * (z + 1)))
def expm1(input):
    """z = e^input - 1, exact near 0"""
    return np.expm1(input)


@op(ELEMENTWISE, torch="log", dtype=FLOAT, vjp=dict(input=lambda g, input: g / input))
def log(input):
    """z = ln input"""
    return np.log(input)


@op(ELEMENTWISE, torch="log2", dtype=FLOAT, vjp=dict(input=lambda g, input: g / (input * LN2)))
def log2(input):
    """z = log2 input"""
    return np.log2(input)


@op(ELEMENTWISE, torch="log10", dtype=FLOAT, vjp=dict(input=lambda g, input: g / (input * LN10)))
def log10(input):
    """z = log10 input"""
    return np.log10(input)


@op(ELEMENTWISE, torch="log1p", dtype=FLOAT, vjp=dict(input=lambda g, input: g / (input + 1)))
def log1p(input):
    """z = ln(1 + input), exact near 0"""
    return np.log1p(input)


@op(
    ELEMENTWISE,
    torch="logaddexp",
    numbers=(),
    dtype=FLOATING_ONLY,
    vjp=dict(
        input=lambda g, input, other: g / (1 + (other - input).exp()),
        other=lambda g, input, other: g / (1 + (input - other).exp()),
    ),
)
def logaddexp(input, other):
    """z = ln(e^input + e^other), without overflow"""
    return np.logaddexp(input, other)


@op(
    ELEMENTWISE,
    torch="logaddexp2",
    numbers=(),
    dtype=FLOATING_ONLY,
    vjp=dict(
        input=lambda g, input, other: g / (1 + (other - input).exp2()),
        other=lambda g, input, other: g / (1 + (input - other).exp2()),
    ),
)
def logaddexp2(input, other):
    """z = log2(2^input + 2^other), without overflow"""
    return np.logaddexp2(input, other)


@op(
    ELEMENTWISE,
    torch="xlogy",
    numbers=("input", "other"),
    dtype=FLOAT,
    vjp=dict(
        input=lambda g, input, other: g * _log_of(other).masked_fill((input == 0) & (other <= 0), 0),
        other=lambda g, input, other: g * (input / other),
    ),
)
def xlogy(input, other):
    """z = input * ln other; 0 where input is 0, whatever other is (nan excepted)"""
    product = input * np.log(other)
    return np.where(np.isnan(other), other, np.where(input == 0, product.dtype.type(0), product))


def _log_of(other):
    return other.log() if isinstance(other, Tensor) else wrap(np.log(np.array(other, np.float64)))


@op(ELEMENTWISE, torch="sin", dtype=FLOAT, vjp=dict(input=lambda g, input: g * input.cos()))
def sin(input):
    """z = sin input"""
    return np.sin(input)


@op(ELEMENTWISE, torch="cos", dtype=FLOAT, vjp=dict(input=lambda g, input: -g * input.sin()))
def cos(input):
    """z = cos input"""
    return np.cos(input)


@op(ELEMENTWISE, torch="tan", dtype=FLOAT, vjp=dict(input=lambda g, z: g * (1 + z * z)))
def tan(input):
    """z = tan input"""
    return np.tan(input)


@op(
    ELEMENTWISE, torch=("asin", "arcsin"), dtype=FLOAT, vjp=dict(input=lambda g, input: g * (1 - input * input).rsqrt())
)
def asin(input):
    """z = arcsin input, in [-pi/2, pi/2]"""
    return np.arcsin(input)


@op(
    ELEMENTWISE,
    torch=("acos", "arccos"),
    dtype=FLOAT,
    vjp=dict(input=lambda g, input: -g * (1 - input * input).rsqrt()),
)
def acos(input):
    """z = arccos input, in [0, pi]"""
    return np.arccos(input)


@op(ELEMENTWISE, torch=("atan", "arctan"), dtype=FLOAT, vjp=dict(input=lambda g, input: g / (1 + input * input)))
def atan(input):
    """z = arctan input, in [-pi/2, pi/2]"""
    return np.arctan(input)


@op(
    ELEMENTWISE,
    torch=("atan2", "arctan2"),
    numbers=(),
    dtype=FLOAT,
    vjp=dict(
        input=lambda g, input, other: g * _over_square(other, input, other),
        other=lambda g, input, other: g * -_over_square(input, input, other),
    ),
)
def atan2(input, other):
    """z = the angle of the point (other, input), in [-pi, pi]"""
    return np.arctan2(input, other)


def _over_square(x, a, b):
    """x / (a^2 + b^2), and 0 at the origin."""
    square = a * a + b * b
    return (x / square).masked_fill(square == 0, 0)


@op(ELEMENTWISE, torch="sinh", dtype=FLOAT, vjp=dict(input=lambda g, input: g * input.cosh()))
def sinh(input):
    """z = (e^input - e^-input) / 2"""
    return np.sinh(input)


@op(ELEMENTWISE, torch="cosh", dtype=FLOAT, vjp=dict(input=lambda g, input: g * input.sinh()))
def cosh(input):
    """z = (e^input + e^-input) / 2"""
    return np.cosh(input)


@op(ELEMENTWISE, dtype=FLOAT, numbers=(), composite=lambda grad, output: grad * (1 - output * output))
def tanh_backward(grad, output):
    """x' = g (1 - z^2)"""
    return grad * (1 - output * output)


@op(ELEMENTWISE, torch=("tanh", "nn.functional.tanh"), dtype=FLOAT, vjp=dict(input=lambda g, z: tanh_backward(g, z)))
def tanh(input):
    """z = (e^x - e^-x) / (e^x + e^-x), x = input"""
    return np.tanh(input)


@op(
    ELEMENTWISE,
    torch=("asinh", "arcsinh"),
    dtype=FLOAT,
    vjp=dict(input=lambda g, input: g * (input * input + 1).rsqrt()),
)
def asinh(input):
    """z = arsinh input"""
    return np.arcsinh(input)


@op(
    ELEMENTWISE,
    torch=("acosh", "arccosh"),
    dtype=FLOAT,
    vjp=dict(input=lambda g, input: g * (input * input - 1).rsqrt()),
)
def acosh(input):
    """z = arcosh input, for input >= 1"""
    return np.arccosh(input)


@op(ELEMENTWISE, torch=("atanh", "arctanh"), dtype=FLOAT, vjp=dict(input=lambda g, input: g / (1 - input * input)))
def atanh(input):
    """z = artanh input, for |input| <= 1"""
    return np.arctanh(input)


@op(ELEMENTWISE, torch="deg2rad", dtype=FLOAT, vjp=dict(input=lambda g: g * (math.pi / 180)))
def deg2rad(input):
    """z = input * pi / 180"""
    return input * input.dtype.type(math.pi / 180)


@op(ELEMENTWISE, torch="rad2deg", dtype=FLOAT, vjp=dict(input=lambda g: g * (180 / math.pi)))
def rad2deg(input):
    """z = input * 180 / pi"""
    return input * input.dtype.type(180 / math.pi)


@op(ELEMENTWISE, dtype=FLOAT, numbers=(), composite=lambda grad, output: grad * ((1 - output) * output))
def sigmoid_backward(grad, output):
    """x' = g (1 - z) z"""
    return grad * ((1 - output) * output)


@op(
    ELEMENTWISE,
    torch=("sigmoid", "nn.functional.sigmoid", "special.expit"),
    dtype=FLOAT,
    vjp=dict(input=lambda g, z: sigmoid_backward(g, z)),
)
def sigmoid(input):
    """z = 1 / (1 + e^-input)"""
    return np.reciprocal(np.exp(-input) + 1)
