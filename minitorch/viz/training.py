"""The picture of a training run: its curves, and the images that the model gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..io import replacing

# Two colours that people with any kind of colour vision tell apart (Okabe, Ito, "Color universal design", 2008).
TRAIN_COLOUR, TEST_COLOUR = "#0072B2", "#D55E00"
WIDTH = 11.0  # inches
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
    label_lines = 1 if max(map(len, names)) <= 2 else 2
    row_height = WIDTH / COLUMNS + 0.2 * label_lines
    below_height = 0.45 + row_height * rows
    figure: Any = Figure(figsize=(WIDTH, 4.5 + below_height), dpi=120, layout="constrained")
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
        arrow = " → " if label_lines == 1 else "\n→ "
        texts = [
            f"{names[label]}{arrow}{names[predicted]}" for label, predicted in zip(labels, predictions, strict=True)
        ]
        _draw_images(below.subplots(), images[shown], [texts[index] for index in shown], row_height * COLUMNS / WIDTH)
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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _draw_images(axes: Any, images: np.ndarray, texts: Sequence[str], row_height: float) -> None:
    """Images in rows of `COLUMNS`, each with its text above. One tile is 1 wide and `row_height` high.

    All of them are drawn into one axes: one axes for each would cost seconds.
    """
    first = max(0, (COLUMNS - len(images)) // 2)  # a single row stands in the middle
    margin = 0.04
    for number, (image, text) in enumerate(zip(images, texts, strict=True), first):
        row, column = divmod(number, COLUMNS)
        bottom = (row + 1) * row_height
        pixels = 255 - image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        extent = (column + margin, column + 1 - margin, bottom, bottom - 1 + 2 * margin)
        axes.imshow(pixels, extent=extent, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.text(column + 0.5, bottom - 1, text, ha="center", va="bottom", fontsize=9, linespacing=1.05)
    axes.set_xlim(0, COLUMNS)
    axes.set_ylim(row_height * (1 + (first + len(images) - 1) // COLUMNS), 0)
    axes.set_axis_off()


def _short(name: str) -> str:
    """MNIST's "7 - seven" as "7"."""
    return name.split(" - ")[0]
