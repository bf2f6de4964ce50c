"""What is shown of an array: its numbers where they are few, a picture and a histogram where they are many."""

from __future__ import annotations

import base64
import math

import numpy as np

FEW = 36  # so many numbers are shown as they are
TILES = 16  # so many channels of an array of images
BINS = 24
GAP = 255  # the level of what is no number, and of the lines between tiles


def summary(array, side: int = 28) -> dict:
    """Shape, type, bytes, spread, and a picture at most `side` (for one matrix 2 `side`) wide and high.

    `numbers`: text, row by row, of a small array; `picture` and `histogram`: None for one.
    """
    shown: dict = {"shape": list(array.shape), "dtype": str(array.dtype), "bytes": int(array.nbytes)}
    values = np.asarray(array, np.float64)
    finite = values[np.isfinite(values)]
    shown["norm"] = text(math.sqrt(float((finite * finite).sum()))) if len(finite) == values.size else "nan"
    if values.size <= FEW:
        rows = values.reshape(-1, values.shape[-1]) if values.ndim > 1 and values.size else values.reshape(1, -1)
        shown["numbers"] = [[text(value) for value in row] for row in rows]
    if finite.size:
        shown.update(least=text(finite.min()), most=text(finite.max()), mean=text(finite.mean()))
        if values.size > FEW:
            shown["histogram"] = histogram(finite)
        if values.size > 4:
            shown["picture"] = picture(values, finite, side)
    if finite.size < values.size:
        shown["not_finite"] = values.size - finite.size
    return shown


def text(value) -> str:
    return f"{float(value):.4g}"


def histogram(finite: np.ndarray) -> dict:
    low, high = float(finite.min()), float(finite.max())
    if not high - low > 1e-12 * max(abs(low), abs(high)):  # all the same: one bar
        return {"counts": [int(finite.size)], "low": text(low), "high": text(high)}
    counts, _ = np.histogram(finite, BINS, (low, high))
    return {"counts": counts.tolist(), "low": text(low), "high": text(high)}


def picture(values: np.ndarray, finite: np.ndarray, side: int) -> dict:
    """Levels 0 to 254 from `low` to `high`, which lie around 0 where there are negative numbers; row by row, base64."""
    low, high = float(finite.min()), float(finite.max())
    if low < 0:
        high = max(-low, high)
        low = -high
    elif low == high:
        low = min(0.0, low)
    plane = tiled(values, side)
    span = high - low or 1.0
    levels = np.where(np.isfinite(plane), np.rint(254 * (np.nan_to_num(plane) - low) / span), GAP)
    return {
        "width": plane.shape[1],
        "height": plane.shape[0],
        "signed": low < 0,
        "levels": base64.b64encode(np.clip(levels, 0, 255).astype(np.uint8).tobytes()).decode(),
    }


def tiled(values: np.ndarray, side: int) -> np.ndarray:
    """An array as one plane: a vector as a row, a matrix as it is, of images (..., H, W) the first ones side by side."""
    if values.ndim <= 2:
        return shrunk(np.atleast_2d(values), 2 * side)
    tiles = [shrunk(tile, side) for tile in values.reshape(-1, *values.shape[-2:])[:TILES]]
    height, width = tiles[0].shape
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    plane = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for k, tile in enumerate(tiles):
        top, left = k // columns * (height + 1), k % columns * (width + 1)
        plane[top : top + height, left : left + width] = tile
    return plane


def shrunk(plane: np.ndarray, side: int) -> np.ndarray:
    """Means of blocks, so that there are at most `side` of them in each direction."""
    for axis in (0, 1):
        size = plane.shape[axis]
        if size > side:
            starts = np.arange(side) * size // side
            sums = np.add.reduceat(plane, starts, axis)
            lengths = np.diff([*starts, size])
            plane = sums / (lengths[:, None] if axis == 0 else lengths)
    return plane
