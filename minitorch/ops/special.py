"""The error function and its kin.

erf and erfc by rational approximations on four intervals, with the coefficients of fdlibm (Sun Microsystems,
s_erf.c), whose error is below one unit in the last place in float64; float32 input is computed in float64.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.op import ELEMENTWISE, FLOAT, function, op
from ..core.tensor import Tensor

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)

# |x| < 0.84375: erf(x) = x + x R(x^2), R = P / Q.
_PP = (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
       -5.77027029648944159157e-03, -2.37630166566501626084e-05)  # fmt: skip
_QQ = (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
       1.32494738004321644526e-04, -3.96022827877536812320e-06)  # fmt: skip
# 0.84375 <= |x| < 1.25: erf(x) = c + P(s) / Q(s), s = |x| - 1.
_ERX = 8.45062911510467529297e-01
_PA = (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
       3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
       -2.16637559486879084300e-03)  # fmt: skip
_QA = (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
       1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02)  # fmt: skip
# 1.25 <= |x| < 1/0.35: erfc(x) = exp(-x^2 - 0.5625 + R(1/x^2) / S(1/x^2)) / x.
_RA = (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
       -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
       -8.12874355063065934246e+01, -9.81432934416914548592e+00)  # fmt: skip
_SA = (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
       6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
       6.57024977031928170135e+00, -6.04244152148580987438e-02)  # fmt: skip
# 1/0.35 <= |x| < 28: the same with other polynomials.
_RB = (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
       -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
       -4.83519191608651397019e+02)  # fmt: skip
_SB = (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
       3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
       -2.24409524465858183362e+01)  # fmt: skip


def _ratio(s, numerator, denominator):
    """P(s) / Q(s), each by Horner's scheme."""
    p = np.full_like(s, numerator[-1])
    for c in numerator[-2::-1]:
        p = p * s + c
    q = np.full_like(s, denominator[-1])
    for c in denominator[-2::-1]:
        q = q * s + c
    return p / q


def _tail(x):
    """erfc(x) for 1.25 <= x < 28."""
    s = 1 / (x * x)
    exponent = np.where(x < 1 / 0.35, _ratio(s, _RA, _SA), _ratio(s, _RB, _SB))
    # x^2 is split so that its rounding error does not enter the exponential: z holds the upper half of x's digits.
    z = x.astype(np.float32).astype(np.float64)
    return np.exp(-z * z - 0.5625) * np.exp((z - x) * (z + x) + exponent) / x


def erf_array(x: np.ndarray) -> np.ndarray:
    """erf of a floating array, in its type."""
    wide = x.astype(np.float64, copy=False)
    size = np.abs(wide)
    out = np.sign(wide)  # +-1 far out, nan for nan
    small = size < 0.84375
    out[small] = wide[small] + wide[small] * _ratio(wide[small] ** 2, _PP, _QQ)
    middle = (size >= 0.84375) & (size < 1.25)
    out[middle] *= _ERX + _ratio(size[middle] - 1, _PA, _QA)
    large = (size >= 1.25) & (size < 6)
    out[large] *= 1 - _tail(size[large])
    return out.astype(x.dtype, copy=False)


def erfc_array(x: np.ndarray) -> np.ndarray:
    """1 - erf(x) without cancellation, in the type of `x`."""
    wide = x.astype(np.float64, copy=False)
    size = np.abs(wide)
    out = np.where(np.isnan(wide), wide, 1 - np.sign(wide))
    small = size < 0.84375
    out[small] = 1 - (wide[small] + wide[small] * _ratio(wide[small] ** 2, _PP, _QQ))
    middle = (size >= 0.84375) & (size < 1.25)
    value = _ERX + _ratio(size[middle] - 1, _PA, _QA)
    out[middle] = np.where(wide[middle] > 0, 1 - value, 1 + value)
    large = (size >= 1.25) & (size < 28)
    tail = _tail(size[large])
    out[large] = np.where(wide[large] > 0, tail, 2 - tail)
    return out.astype(x.dtype, copy=False)


@op(
    ELEMENTWISE,
    torch=("erf", "special.erf"),
    dtype=FLOAT,
    vjp=dict(input=lambda g, input: g * ((-(input * input)).exp() * TWO_OVER_SQRT_PI)),
)
def erf(input):
    """z = 2/sqrt(pi) * integral of e^(-t^2) from 0 to input"""
    return erf_array(np.atleast_1d(input)).reshape(np.shape(input))


@op(
    ELEMENTWISE,
    torch=("erfc", "special.erfc"),
    dtype=FLOAT,
    vjp=dict(input=lambda g, input: g * ((-(input * input)).exp() * -TWO_OVER_SQRT_PI)),
)
def erfc(input):
    """z = 1 - erf(input), exact also where it is tiny"""
    return erfc_array(np.atleast_1d(input)).reshape(np.shape(input))


def _erfinv_array(y: np.ndarray) -> np.ndarray:
    """Newton's method on erf (erfc in the tails), from Winitzki's closed approximation (error 2e-3)."""
    wide = np.atleast_1d(y).astype(np.float64)
    size = np.abs(wide)
    logarithm = np.log1p(-size * size)
    a = 0.147
    half = 2 / (math.pi * a) + logarithm / 2
    x = np.sqrt(np.sqrt(half * half - logarithm / a) - half)
    for _ in range(3):
        error = np.where(size < 0.5, erf_array(x) - size, (1 - size) - erfc_array(x))
        x = x - error / (TWO_OVER_SQRT_PI * np.exp(-x * x))
    x = np.where(size == 1, np.inf, np.where(size == 0, 0.0, x))
    return np.where(size > 1, np.nan, np.copysign(x, wide)).reshape(np.shape(y)).astype(y.dtype)


@op(
    ELEMENTWISE,
    torch=("erfinv", "special.erfinv"),
    dtype=FLOAT,
    vjp=dict(input=lambda g, z: g * ((z * z).exp() / TWO_OVER_SQRT_PI)),
)
def erfinv(input):
    """z with erf(z) = input, for input in [-1, 1]"""
    return _erfinv_array(input)


# Stirling's series for ln Gamma and its derivative: B_2k / (2k (2k-1) x^(2k-1)), Abramowitz & Stegun 6.1.40, 6.3.18.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _shifted(x: np.ndarray):
    """(x + n, the factors x, x+1, ..., x+n-1) with n = 10 where x < 10, for the recurrence into the series' range."""
    steps = np.where(x < 10, 10, 0)
    return x + steps, [np.where(x < 10, x + k, 1.0) for k in range(10)]


def stirling_series(x: np.ndarray) -> np.ndarray:
    """ln Gamma(x) - ((x - 1/2) ln x - x + ln(2 pi) / 2), for x >= 10."""
    series = np.zeros_like(x)
    for k, b in enumerate(_BERNOULLI, 1):
        series = series + b / ((2 * k) * (2 * k - 1)) / x ** (2 * k - 1)
    return series


def _lgamma_positive(x: np.ndarray) -> np.ndarray:
    large, factors = _shifted(x)
    product = np.ones_like(x)
    for f in factors:
        product = product * f
    series = stirling_series(large)
    value = (large - 0.5) * np.log(large) - large + 0.5 * math.log(2 * math.pi) + series - np.log(product)
    return np.where((x == 1) | (x == 2), 0.0, value)


def lgamma_of(x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    reflected = np.where(wide < 0.5, 1 - wide, wide)
    value = _lgamma_positive(reflected)
    sine = np.abs(np.sin(math.pi * (wide - np.floor(wide))))
    value = np.where(wide < 0.5, math.log(math.pi) - np.log(sine) - value, value)
    value = np.where((wide <= 0) & (wide == np.floor(wide)), np.inf, value)
    return np.where(np.isinf(wide), np.inf, value).astype(x.dtype)


def digamma_of(x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    reflected = np.where(wide < 0.5, 1 - wide, wide)
    large, factors = _shifted(reflected)
    value = np.log(large) - 0.5 / large - sum(b / (2 * k) / large ** (2 * k) for k, b in enumerate(_BERNOULLI, 1))
    for f in factors:
        value = value - np.where(reflected < 10, 1 / f, 0.0)
    fraction = wide - np.floor(wide)
    value = np.where(wide < 0.5, value - math.pi / np.tan(math.pi * fraction), value)
    value = np.where((wide < 0) & (fraction == 0), np.nan, value)
    value = np.where(wide == 0, -np.copysign(np.inf, wide), value)
    return np.where(np.isposinf(wide), np.inf, value).astype(x.dtype)


@op(ELEMENTWISE, torch=("lgamma", "special.gammaln"), dtype=FLOAT, vjp=dict(input=lambda g, input: g * digamma(input)))
def lgamma(input):
    """z = ln |Gamma(input)|"""
    return lgamma_of(input)


@op(ELEMENTWISE, torch=("digamma", "special.digamma", "special.psi"), dtype=FLOAT,
    vjp=dict(input=lambda g, input: g * polygamma_of(input, n=1)))  # fmt: skip
def digamma(input):
    """z = d/dx ln Gamma(x) at x = input"""
    return digamma_of(input)


def _polygamma_array(n: int, x: np.ndarray) -> np.ndarray:
    """(-1)^(n+1) n! sum_k 1 / (x+k)^(n+1): nine terms, then Euler-Maclaurin; negative x by reflection (n = 1, 2)."""
    wide = x.astype(np.float64)
    reflect = (wide < 0.5) & (n <= 2)
    start = np.where(reflect, 1 - wide, wide)
    total = sum(1 / (start + k) ** (n + 1) for k in range(12))
    large = start + 12
    total = total + 1 / (n * large**n) + 0.5 / large ** (n + 1)
    rising = n + 1.0
    for k, b in enumerate(_BERNOULLI, 1):
        total = total + b / math.factorial(2 * k) * rising / large ** (n + 2 * k)
        rising *= (n + 2 * k) * (n + 2 * k + 1)
    value = (-1) ** (n + 1) * math.factorial(n) * total
    fraction = math.pi * (wide - np.floor(wide))
    sine = np.sin(fraction)
    if n == 1:
        return np.where(reflect, (math.pi / sine) ** 2 - value, value).astype(x.dtype)
    if n == 2:
        return np.where(reflect, value + 2 * math.pi**3 * np.cos(fraction) / -(sine**3), value).astype(x.dtype)
    return value.astype(x.dtype)


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    vjp=dict(input=lambda g, input, n: g * polygamma_of(input, n=n + 1)),
    backward_name="PolygammaBackward0",
)
def polygamma_of(input, *, n):
    """z = the (n+1)-th derivative of ln Gamma at input"""
    return _polygamma_array(n, input)


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    vjp=dict(input=lambda g, input, eps: _logit_slope(g, input, eps)),
    backward_name="LogitBackward0",
)
def logit_of(input, *, eps):
    """z = ln(x / (1 - x)), x = input clipped to [eps, 1 - eps]"""
    # Above 1/2 eps is the larger bound, and the one that torch gives what is below it.
    low, high = (None, None) if eps is None else (input.dtype.type(eps), input.dtype.type(1 - eps))
    x = input if eps is None else np.where(input < low, low, np.minimum(input, high))
    return np.log(x / (1 - x))


def _logit_slope(g, input, eps):
    slope = g / (input * (1 - input))
    if eps is None:
        return slope.masked_fill((input < 0) | (input > 1), math.nan)
    return slope.masked_fill((input < eps) | (input > 1 - eps), 0)


@function(torch=("logit", "special.logit"))
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """z = ln(x / (1 - x)), the inverse of sigmoid; with `eps`, x is input clipped to [eps, 1 - eps]."""
    return logit_of(input, eps=eps)


@op(ELEMENTWISE, torch=("sinc", "special.sinc"), dtype=FLOAT, vjp=dict(input=lambda g, input: g * _sinc_slope(input)))
def sinc(input):
    """z = sin(pi x) / (pi x), and 1 at x = input = 0"""
    x = math.pi * input.astype(np.float64)
    return np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1.0, x)).astype(input.dtype)


def _sinc_slope(input):
    x = input * math.pi
    return ((x * x.cos() - x.sin()) / (x * input)).masked_fill(input == 0, 0)


@op(
    ELEMENTWISE,
    torch="special.entr",
    dtype=FLOAT,
    vjp=dict(input=lambda g, input: g * (-1 - input.log())),
)
def entr(input):
    """z = -input * ln(input), 0 at 0 and -inf below"""
    out = np.where(input == 0, 0, -input * np.log(np.where(input > 0, input, 1)))
    return np.where(input < 0, -np.inf, out).astype(input.dtype)
