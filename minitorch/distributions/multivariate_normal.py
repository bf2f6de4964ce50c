"""The multivariate normal distribution."""

from __future__ import annotations

import math

from ..ops.creation import eye
from ..ops.triangular import linalg_cholesky, solve_triangular
from ..shapes import broadcast_shapes
from . import constraints
from .distribution import Distribution
from .normal import standard_normal
from .utils import lazy_property

__all__ = ["MultivariateNormal"]


def half_log_det(scale_tril):
    """ln det L = (ln det L L^T) / 2, for a lower triangular L (..., n, n)."""
    return scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def mahalanobis(scale_tril, x):
    """x^T (L L^T)^-1 x = |L^-1 x|**2, for x (..., n)."""
    batch = broadcast_shapes(scale_tril.shape[:-2], x.shape[:-1])
    n = x.shape[-1]
    tril, column = scale_tril.expand((*batch, n, n)), x.expand((*batch, n)).unsqueeze(-1)
    return solve_triangular(tril, column, upper=False).squeeze(-1).pow(2).sum(-1)


def tril_of_inverse(precision):
    """The Cholesky factor of P^-1: with P reversed in both dimensions = F F^T, it is the inverse of F reversed and
    transposed."""
    factor = linalg_cholesky(precision.flip(-2, -1)).flip(-2, -1).mT
    identity = eye(precision.shape[-1], dtype=precision.dtype).expand(precision.shape)
    return solve_triangular(factor, identity, upper=False)


class MultivariateNormal(Distribution):
    """loc + L z, z standard normal: mean `loc` (..., n), covariance C = L L^T.

    C is given by one of `covariance_matrix`, `precision_matrix` (its inverse) and `scale_tril` (L), each (..., n, n).
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        matrices = dict(covariance_matrix=covariance_matrix, precision_matrix=precision_matrix, scale_tril=scale_tril)
        given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given
        if matrix.dim() < 2:
            said = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(f"{said} must be at least two-dimensional, with optional leading batch dimensions")
        batch_shape = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.loc = loc.expand((*batch_shape, -1))
        self.__dict__[name] = matrix.expand((*batch_shape, -1, -1))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)

    @lazy_property
    def _tril(self):
        """L, whichever matrix is given."""
        if "scale_tril" in self.__dict__:
            return self.scale_tril
        if "covariance_matrix" in self.__dict__:
            return linalg_cholesky(self.covariance_matrix)
        return tril_of_inverse(self.precision_matrix)

    @lazy_property
    def scale_tril(self):
        return self._tril

    @lazy_property
    def covariance_matrix(self):
        return self._tril @ self._tril.mT

    @lazy_property
    def precision_matrix(self):
        identity = eye(self.event_shape[0], dtype=self.loc.dtype).expand(self._tril.shape)
        inverse = solve_triangular(self._tril, identity, upper=False)
        return inverse.mT @ inverse

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        return self._tril.pow(2).sum(-1)

    def rsample(self, sample_shape=()):
        z = standard_normal(self._extended_shape(sample_shape), self.loc.dtype)
        return self.loc + (self._tril @ z.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value):
        self._check(value)
        distance = mahalanobis(self._tril, value - self.loc)
        return -0.5 * (self.event_shape[0] * math.log(2 * math.pi) + distance) - half_log_det(self._tril)

    def entropy(self):
        return 0.5 * self.event_shape[0] * (1.0 + math.log(2 * math.pi)) + half_log_det(self._tril)
