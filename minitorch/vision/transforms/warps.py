"""Images turned, sheared and seen in perspective: every pixel of the result looks up where it comes from.

A warp is given backwards, by what takes a place (x, y) in the result to its place in the image: a 2 x 3 matrix, or the
eight coefficients of a projective map. Pillow does the looking up in pictures, `grid_sample` in tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...nn import functional as F
from ...ops.comparison import where
from ...ops.inverse import solve


def inverse_affine(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> np.ndarray:
    """The 2 x 3 matrix of p -> A^-1 (p - c - t) + c, where A = scale R(angle) Y(shear_y) X(shear_x); angles in degrees.

    R is the rotation (clockwise in an image, whose y points down), X takes (x, y) to (x - y tan(shear_x), y) and Y to
    (x, y - x tan(shear_y)). Without `scale` A has the determinant 1.
    """
    turn, shear_x, shear_y = (math.radians(degrees) for degrees in (angle, *shear))
    cos, sin = math.cos(turn), math.sin(turn)
    rotation = np.array([[cos, -sin], [sin, cos]])
    along_y = np.array([[1.0, 0.0], [-math.tan(shear_y), 1.0]])
    along_x = np.array([[1.0, -math.tan(shear_x)], [0.0, 1.0]])
    (a, b), (c, d) = rotation @ along_y @ along_x
    inverse = np.array([[d, -b], [-c, a]]) / scale
    middle = np.asarray(center, np.float64)
    offset = inverse @ (-middle - np.asarray(translate, np.float64)) + middle
    return np.column_stack([inverse, offset])


def perspective_coefficients(startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]) -> list[float]:
    """(a, ..., h) of (x, y) -> ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)), which takes the four
    `endpoints` to the `startpoints`: eight equations, solved in float64.

    ValueError for another number of points, LinAlgError where three of the endpoints lie on a line.
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and {len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solution = solve(wrap(np.array(rows, np.float64)), wrap(np.array(startpoints, np.float64).reshape(8)))
    return solution.array.astype(np.float32).tolist()


def affine_grid(matrix: np.ndarray, width: int, height: int, out_width: int, out_height: int, dtype: Any) -> np.ndarray:
    """(out_height, out_width, 2): where each pixel comes from, places counted from the middles, -1 and 1 the edges."""
    theta = matrix.astype(dtype) / np.array([[0.5 * width], [0.5 * height]], dtype)
    x, y = _centres(out_width, -out_width * 0.5, dtype), _centres(out_height, -out_height * 0.5, dtype)[:, None]
    return np.stack([row[0] * x + row[1] * y + row[2] for row in theta], -1)


def perspective_grid(coefficients: Sequence[float], width: int, height: int, dtype: Any) -> np.ndarray:
    """(height, width, 2): where each pixel comes from, -1 and 1 the edges; places are counted from the first corner."""
    a, b, c, d, e, f, g, h = (np.asarray(value, dtype) for value in coefficients)
    x, y = _centres(width, 0.0, dtype), _centres(height, 0.0, dtype)[:, None]
    across, down = np.asarray(0.5 * width, dtype), np.asarray(0.5 * height, dtype)
    depth = g * x + h * y + 1
    horizontal = (a / across * x + b / across * y + c / across) / depth - 1
    vertical = (d / down * x + e / down * y + f / down) / depth - 1
    return np.stack([horizontal, vertical], -1)


def _centres(count: int, start: float, dtype: Any) -> np.ndarray:
    """The middles of `count` pixels in a row that begins at `start`."""
    return np.linspace(start + 0.5, start + count - 0.5, count, dtype=dtype)


def turned_size(matrix: np.ndarray, width: int, height: int) -> tuple[int, int]:
    """(width, height) of the picture that holds the whole of one turned by `matrix`, places counted from its middle."""
    corners = np.array([(x * width / 2, y * height / 2, 1) for x in (-1, 1) for y in (-1, 1)], np.float32)
    places = corners @ matrix.T.astype(np.float32) + np.array([width / 2, height / 2], np.float32)
    # Cut to four digits, so that a rounding error does not make a row of its own.
    low, high = (np.trunc(edge / 1e-4) * 1e-4 for edge in (places.min(0), places.max(0)))
    across, down = np.ceil(high) - np.floor(low)
    return int(across), int(down)


def look_up(batch: Tensor, grid: np.ndarray, mode: str, fill: Any) -> Tensor:
    """(N, C, H, W), read at the places of `grid`; what lies outside is 0, or `fill` (one number, or one a channel)."""
    grids = wrap(np.ascontiguousarray(np.broadcast_to(grid, (batch.shape[0], *grid.shape))))
    out = F.grid_sample(batch, grids, mode, "zeros", False)
    if fill is None:
        return out
    inside = F.grid_sample(batch[:, :1] * 0 + 1, grids, mode, "zeros", False)
    level = wrap(np.broadcast_to(np.asarray(fill, batch.array.dtype), batch.shape[1]).reshape(-1, 1, 1).copy())
    if mode == "nearest":
        return where(inside < 0.5, level, out)
    return out * inside + (1 - inside) * level
