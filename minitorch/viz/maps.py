"""Pictures of tensors: the channels of an image, and matrices with named rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.tensor import Tensor
from .style import WIDTH, subplots


def channel_maps(maps: Tensor, columns: int = 8, titles: Sequence[str] = (), cmap: str = "gray") -> Any:
    """The figure of (C, H, W): one picture for each channel, dark for small values and bright for large ones.

    All share one scale, from the smallest to the largest value of `maps`. ValueError unless there are three dimensions.
    """
    if maps.dim() != 3:
        raise ValueError(f"channel_maps: expected (C, H, W), got {tuple(maps.shape)}")
    values = maps.detach().numpy()
    columns = min(columns, len(values))
    rows = -(-len(values) // columns)
    size = WIDTH / columns
    height = size * values.shape[1] / values.shape[2] + (0.22 if titles else 0.05)
    figure, axes = subplots(rows, columns, height=height, pictures=True, squeeze=False)
    for place, ax in enumerate(axes.flat):
        if place < len(values):
            ax.imshow(values[place], vmin=values.min(), vmax=values.max(), cmap=cmap)
            ax.set_title(titles[place] if place < len(titles) else "")
    return figure


def attention_maps(
    weights: Tensor, queries: Sequence[str], keys: Sequence[str], titles: Sequence[str] = (), height: float = 2.4
) -> Any:
    """The figure of attention weights (H, L, S): a heat map for each of H heads, white for 0 and blue for 1.

    Row i shows how query i, named `queries[i]`, shares its look out among the S `keys`; each row adds up to 1. ValueError
    where names and weights do not fit together.
    """
    if weights.dim() != 3 or tuple(weights.shape[1:]) != (len(queries), len(keys)):
        raise ValueError(
            f"attention_maps: {len(queries)} queries and {len(keys)} keys do not name weights {tuple(weights.shape)}"
        )
    figure, axes = subplots(1, len(weights), height=height, squeeze=False)
    # In points: a cell is 1/72 inch per point; about a quarter of the width goes to labels and gaps.
    cell = 72 * 0.75 * min(WIDTH / len(weights), height) / max(len(queries), len(keys), 1)
    for head, ax in enumerate(axes[0]):
        ax.imshow(weights[head].detach().numpy(), vmin=0, vmax=1, cmap="Blues")
        ax.set_xticks(range(len(keys)), keys, rotation=90 if max(map(len, keys), default=0) > 2 else 0)
        ax.set_yticks(range(len(queries)), queries if head == 0 else [""] * len(queries))
        ax.tick_params(labelsize=min(8, cell), length=min(3, cell / 2))
        ax.grid(False)
        ax.set_title(titles[head] if titles else f"head {head + 1}")
    axes[0, 0].set_ylabel("query")
    axes[0, 0].set_xlabel("key")
    return figure
