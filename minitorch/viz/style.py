"""One look for all pictures of the documentation."""

from __future__ import annotations

from typing import Any

# Colours that people with any kind of colour vision tell apart (Okabe, Ito, "Color universal design", 2008).
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW)
WIDTH = 7.2  # inches: the text column

STYLE: Any = {
    "figure.dpi": 160,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
}


def subplots(rows: int = 1, columns: int = 1, *, height: float = 2.4, pictures: bool = False, **options: Any) -> Any:
    """(figure, axes) as pyplot.subplots gives them, as wide as the text, in the documentation's style, which what is drawn
    from then on follows too.

    height: of one row, in inches. pictures: axes for images, without ticks and grid. options: pyplot.subplots' own.
    """
    import matplotlib.pyplot as plt
    from cycler import cycler

    plt.rcParams.update(STYLE)
    plt.rcParams["axes.prop_cycle"] = cycler(color=COLOURS)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height * rows), **options)
    if pictures:
        for each in figure.axes:
            each.set(xticks=[], yticks=[])
            each.grid(False)
            each.spines[:].set_visible(False)
    return figure, axes
