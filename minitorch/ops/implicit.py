"""Derivatives of random numbers by the parameters of their distribution, for gamma and Dirichlet numbers.

A number x drawn by rejection is no smooth function of its parameter a, but at a fixed probability F(x; a) it is:
dx/da = -(dF/da) / (dF/dx) (Figurnov, Mohamed & Mnih 2018). dF/da has no closed form; the approximations, chosen by
region, are torch's, so that its gradients come out: Taylor series near the edges, Rice's saddle point expansion for
large parameters, and fitted rational functions of logarithms in between (accurate to about 1e-3 there, as in torch).
"""

from __future__ import annotations

import numpy as np

from ..core.op import ELEMENTWISE, SAME, op
from .special import digamma_of

# For gamma numbers with u = ln(x / a), v = ln a: exp(p(u, v) / q(u, v)). Rows: powers 0 .. 2 of u; columns: powers
# 0 .. 3 of v, first of p and then of q.
GAMMA_RATIONAL = np.array([
    [0.16009398, -0.094634809, 0.025146376, -0.0030648343, 1, 0.32668115, 0.10406089, 0.0014179084],
    [0.53487893, 0.1298071, 0.065735949, -0.0015649758, 0.16639465, 0.020070113, -0.0035938915, -0.00058392623],
    [0.040121004, -0.0065914022, -0.0026286047, -0.0013441777, 0.017050642, -0.0021309326, 0.00085092367, -1.5247877e-07],
])  # fmt: skip

# For beta numbers with u = ln x, a = ln(alpha / x), b = ln(total) - a: p / q, the powers 0 .. 2 of u, 0 .. 2 of a and
# 0 .. 3 of b.
BETA_RATIONAL = np.array([
    [[[1.003668233, -0.01061107488, -0.0657888334, 0.01201642863],
      [0.6336835991, -0.3557432599, 0.05486251648, -0.001465281033],
      [-0.03276231906, 0.004474107445, 0.002429354597, -0.0001557569013]],
     [[0.221950385, -0.3187676331, 0.01799915743, 0.01074823814],
      [-0.2951249643, 0.06219954479, 0.01535556598, 0.001550077057],
      [0.02155310298, 0.004170831599, 0.001292462449, 6.976601077e-05]],
     [[-0.05980841433, 0.008441916499, 0.01085618172, 0.002319392565],
      [0.02911413504, 0.01400243777, -0.002721828457, 0.000751041181],
      [0.005900514878, -0.001936558688, -9.495446725e-06, 5.385558597e-05]]],
    [[[1, -0.02924021934, -0.04438342661, 0.007285809825],
      [0.6357567472, -0.3473456711, 0.05454656494, -0.002407477521],
      [-0.03301322327, 0.004845219414, 0.00231480583, -0.0002307248149]],
     [[0.5925320577, -0.1757678135, 0.01505928619, 0.000564515273],
      [0.1014815858, -0.06589186703, 0.01272886114, -0.0007316646956],
      [-0.007258481865, 0.001096195486, 0.0003934994223, -4.12701925e-05]],
     [[0.06469649321, -0.0236701437, 0.002902096474, -5.896963079e-05],
      [0.001925008108, -0.002869809258, 0.0008000589141, -6.063713228e-05],
      [-0.0003477407336, 6.959756487e-05, 1.097287507e-05, -1.650964693e-06]]],
])  # fmt: skip


def _polynomial(coefficients, x: np.ndarray):
    """Horner's scheme, the constant coefficient first."""
    value = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = c + x * value
    return value


def _by_region(regions, *arrays: np.ndarray) -> np.ndarray:
    """Each element by the formula of the first (condition, formula) whose condition holds."""
    out, left = np.empty(arrays[0].shape), np.ones(arrays[0].shape, np.bool_)
    with np.errstate(all="ignore"):
        for condition, formula in regions:
            chosen = left & condition
            if chosen.any():
                out[chosen] = formula(*[array[chosen] for array in arrays])
            left &= ~chosen
    return out


# Gamma numbers.


def _gamma_small(a, x):
    """F and dF/da by the Taylor series of the incomplete gamma function around 0."""
    term, below = np.ones_like(x), a
    first, second = 1 / a, 1 / a**2
    for i in range(1, 6):
        term = term * (-x / i)
        below = below + 1
        first = first + term / below
        second = second + term / below**2
    power = x**a
    by_a = (np.log(x) - digamma_of(a)) * (power * first) - power * second
    return np.nan_to_num(-by_a / (x ** (a - 1) * np.exp(-x)), nan=0.0, posinf=np.inf, neginf=-np.inf)


def _gamma_middle(a, x):
    """Near the mean of a large a, where the saddle point expansion has a removable singularity: its series."""
    numerator = 1440 * a**2 + 6 * x * (53 - 120 * x) - 65 * x**2 / a + a * (107 + 3600 * x)
    return (1 + 24 * a * (1 + 12 * a)) * numerator / (1244160 * a**4)


def _gamma_large(a, x):
    """Rice's saddle point expansion."""
    root, log = np.sqrt(8 * a), np.log(x / a)
    saddle = (x - a - a * log) ** -1.5
    bracket = root / (a - x) + np.where(x < a, -saddle, saddle)
    term = log * bracket - np.sqrt(2 / a) * (a + x) / (a - x) ** 2
    stirling = 1 + 1 / (12 * a) * (1 + 1 / (24 * a))
    return -stirling * x * term / root


def _gamma_rational(a, x):
    coefficients = _polynomial(GAMMA_RATIONAL[:, :, None], np.log(x / a))
    v = np.log(a)
    return np.exp(_polynomial(coefficients[:4], v) / _polynomial(coefficients[4:], v))


@op(ELEMENTWISE, torch="_standard_gamma_grad", dtype=SAME)
def standard_gamma_grad(input, output):
    """z = d output / d input, for gamma numbers `output` of shape parameters `input`"""
    a, x = (np.asarray(v, np.float64) for v in np.broadcast_arrays(input, output))
    regions = [
        (x < np.float32(0.8), _gamma_small),  # the bound is a float in torch, also for doubles
        ((a > 8) & (x >= 0.9 * a) & (x <= 1.1 * a), _gamma_middle),
        (a > 8, _gamma_large),
        (True, _gamma_rational),
    ]
    return _by_region(regions, a, x).astype(input.dtype)


# Beta numbers x of parameters a, b, the parts of a Dirichlet number: here dx/da is divided by 1 - x.


def _beta_near_zero(x, a, b):
    factor = digamma_of(a) - digamma_of(a + b) - np.log(x)
    term = np.ones_like(x)
    series = 1 / a * (factor + 1 / a)
    for i in range(1, 11):
        term = term * ((i - b) * x / i)
        series = series + term / (a + i) * (factor + 1 / (a + i))
    return np.nan_to_num(x * (1 - x) ** -b * series, nan=0.0, posinf=np.inf, neginf=-np.inf)


def _beta_near_one(x, a, b):
    """By symmetry the derivative of 1 - x by the second parameter of its own distribution, up to the sign."""
    x, a, b = 1 - x, b, a
    factor = digamma_of(a + b) - digamma_of(b)
    term, betas, slopes = np.ones_like(x), np.ones_like(x), np.zeros_like(x)
    series = factor / a
    for i in range(1, 9):
        term = term * (-x / i)
        slopes = slopes * (b - i) + betas
        betas = betas * (b - i)
        series = series + term / (a + i) * (slopes + factor * betas)
    return np.nan_to_num((1 - x) ** (1 - b) * series, nan=0.0, posinf=np.inf, neginf=-np.inf)


def _beta_large(x, a, b):
    total = a + b
    mean = a / total
    deviation = np.sqrt(a * b / (total + 1)) / total
    # Near the mean, where the expansion below has a removable singularity.
    series = _polynomial(
        [
            47 * x * b**4,
            (43 + 20 * (16 + 27 * b) * x) * b**3,
            3 * (59 + 180 * b - 90 * x) * b**2,
            (453 + 1620 * b * (1 - x) - 455 * x) * b,
            8 * (1 - x) * (135 * b - 11),
        ],
        a,
    )
    middle = (1 + 12 * a) * (1 + 12 * b) / total**2 / (1 - x) * series / (12960 * a**3 * b**2 * (1 + 12 * total))

    def stirling(n):
        return 1 + 1 / (12 * n) + 1 / (288 * n**2)

    distance = a * (x - 1) + b * x
    first = (2 * a**2 * (x - 1) + a * b * (x - 1) - x * b**2) / (np.sqrt(2 * a / b) * total**1.5 * distance**2)
    log = np.log(a / (total * x))
    saddle = (b * np.log(b / (total * (1 - x))) + a * log) ** -1.5
    bracket = np.sqrt(8 * a * b / total) / distance + np.where(x < mean, saddle, -saddle)
    outside = first + 0.5 * log * bracket
    outside = stirling(a) * stirling(b) / stirling(total) * (-x / np.sqrt(2 * a * b / total)) * outside
    near = (mean - 0.1 * deviation <= x) & (x <= mean + 0.1 * deviation)
    return np.where(near, middle, outside)


def _beta_rational(x, alpha, beta):
    total, u = alpha + beta, np.log(x)
    a = np.log(alpha) - u
    b = np.log(total) - a
    in_b = _polynomial(np.moveaxis(BETA_RATIONAL, -1, 0)[..., None], b)  # (2, powers of u, powers of a, n)
    in_a = _polynomial(np.moveaxis(in_b, 2, 0), a)
    p, q = _polynomial(np.moveaxis(in_a, 1, 0), u)
    return p / q * (x * (digamma_of(total) - digamma_of(alpha)) / beta)


@op(ELEMENTWISE, torch="_dirichlet_grad", dtype=SAME)
def dirichlet_grad(x, alpha, total):
    """z = (dx / d alpha) / (1 - x), for a part x of a Dirichlet number with parameters `alpha` that sum to `total`"""
    dtype = x.dtype
    x, alpha, total = (np.asarray(v, np.float64) for v in np.broadcast_arrays(x, alpha, total))
    beta = total - alpha
    edge = total * x * (1 - x)
    regions = [
        ((x <= 0.5) & (edge < 2.5), _beta_near_zero),
        ((x >= 0.5) & (edge < 0.75), _beta_near_one),
        ((alpha > 6) & (beta > 6), _beta_large),
        (True, _beta_rational),
    ]
    return _by_region(regions, x, alpha, beta).astype(dtype)
