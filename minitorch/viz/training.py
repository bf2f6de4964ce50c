"""The picture of a training run: its curves, and the images that the model gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..io import replacing

# Two colours that people with any kind of colour vision tell apart (Okabe, Ito, "Color universal design", 2008).
TRAIN_COLOUR, TEST_COLOUR = "#0072B2", "#D55E00"
COLUMNS, MOST_ROWS = 10, 4


def draw_training(
    path: str | Path,
    title: str,
    history: Sequence[dict[str, Any]],
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    classes: Sequence[str],
) -> None:
    """Write a PNG to `path`: loss and accuracy by epoch above, misclassified test images below.

    history: one dict per epoch with `epoch`, `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy`;
    images: uint8 (N, 1, S, S) or (N, 3, S, S); labels, predictions: integers (N,).
    """
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    wrong = np.flatnonzero(labels != predictions)
    shown = wrong[: COLUMNS * MOST_ROWS]
    names = [_short(name) for name in classes]
    rows = -(-len(shown) // COLUMNS)
    row_height = 1.3 if max(map(len, names)) <= 2 else 1.5
    below_height = 0.45 + row_height * rows
    figure = Figure(figsize=(11, 4.5 + below_height), dpi=120, layout="constrained")
    figure.suptitle(title, fontsize=13)
    above, below = figure.subfigures(2, 1, height_ratios=(4.5, below_height))

    loss_axes, accuracy_axes = above.subplots(1, 2)
    _draw_curves(loss_axes, history, "loss", 1.0, "cross-entropy")
    _draw_curves(accuracy_axes, history, "accuracy", 100.0, "accuracy in %")
    loss_axes.set_yscale("log")

    more = "" if len(shown) == len(wrong) else f"; the first {len(shown)} of them"
    heading = f"{len(wrong)} of {len(labels):,} test images are misclassified{more} (true → predicted)"
    below.suptitle(heading if len(wrong) else "no test image is misclassified", fontsize=11)
    if len(shown):
        _draw_images(below, images[shown], labels[shown], predictions[shown], names, rows)
    # A whole file or none, as for the checkpoint.
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw_curves(axes: Any, history: Sequence[dict[str, Any]], name: str, scale: float, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [line["epoch"] for line in history]
    for split, colour, marker in (("train", TRAIN_COLOUR, "o"), ("test", TEST_COLOUR, "s")):
        values = [scale * line[f"{split}_{name}"] for line in history]
        text = {"train": "training (while learning)", "test": "test"}[split]
        axes.plot(epochs, values, color=colour, marker=marker, markersize=3.5, linewidth=1.6, label=text)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _draw_images(
    figure: Any, images: np.ndarray, labels: np.ndarray, predictions: np.ndarray, names: Sequence[str], rows: int
) -> None:
    axes = figure.subplots(rows, COLUMNS, squeeze=False).reshape(-1)
    for place in axes:
        place.set_axis_off()
    first = max(0, (COLUMNS - len(images)) // 2)  # a single row stands in the middle
    arrow = " → " if max(map(len, names)) <= 2 else "\n→ "
    for place, image, label, predicted in zip(axes[first:], images, labels, predictions, strict=False):
        if len(image) == 1:
            place.imshow(image[0], cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
        else:
            place.imshow(image.transpose(1, 2, 0), interpolation="nearest")
        place.set_title(f"{names[label]}{arrow}{names[predicted]}", fontsize=9, pad=3)


def _short(name: str) -> str:
    """MNIST's "7 - seven" as "7"."""
    return name.split(" - ")[0]
