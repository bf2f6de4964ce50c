"""Chapter 20: scales of the anchors, the box loss, and average precision."""

from __future__ import annotations

from hypothesis import strategies as st

from .exercise import exercise
from .strategies import alike


@exercise(
    maps=st.integers(2, 6),
    smallest=st.sampled_from([0.1, 0.2, 0.25]),
    largest=st.sampled_from([0.5, 0.75, 1.0]),
    mistake=lambda maps, smallest, largest: [smallest + (largest - smallest) * k / maps for k in range(maps)],
)
def scales(maps, smallest, largest):
    """The list of the scales (尺度) of the anchor boxes on each of `maps` feature maps, from `smallest` on the first to
    `largest` on the last, evenly spaced. There are at least two maps."""
    return [smallest + (largest - smallest) * k / (maps - 1) for k in range(maps)]


@exercise(
    alike("prediction", "target"),
    mistake=lambda prediction, target: ((prediction - target).square() / 2).sum(),
)
def smooth_l1(prediction, target):
    r"""The sum of the smooth L1 loss (平滑 L1 损失) over N differences $u$ between `prediction` and `target`, both (N,):
    $u^2 / 2$ where $|u| < 1$, else $|u| - 1/2$. Do not call `torch.nn.functional.smooth_l1_loss`."""
    size = (prediction - target).abs()
    return (size.square() / 2).where(size < 1, size - 0.5).sum()


# For each detection, best first, whether it is right; and how many true boxes no detection found.
detections = st.tuples(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 3)).filter(
    lambda drawn: sum(drawn[0]) + drawn[1] > 0
)
rankings = detections.map(lambda drawn: {"right": drawn[0], "total": sum(drawn[0]) + drawn[1]})


def over_those_found(right, total):
    found = [(sum(right[: k + 1]) / (k + 1), sum(right[: k + 1])) for k in range(len(right))]
    best = [max(p for p, n in found if n >= k + 1) for k in range(sum(right))]
    return sum(best) / max(len(best), 1)


@exercise(rankings, mistake=lambda right, total: ([sum(right) / len(right)] * len(right), [sum(right) / total]))
def precision_recall(right, total):
    """Precision (精确率) and recall (召回率) after each detection: a pair of lists. `right` is a list of booleans, best
    score first; `total` is the number of true boxes."""
    so_far = [sum(right[: k + 1]) for k in range(len(right))]
    return [n / (k + 1) for k, n in enumerate(so_far)], [n / total for n in so_far]


@exercise(rankings, mistake=over_those_found)
def average_precision(right, total):
    """The average precision (平均精度), as the area under p(r), the best precision at a recall of at least r. `right`
    and `total` as before. (Each of the `total` true boxes adds a strip of width 1 / `total`; what is never found adds
    nothing.)"""
    found = [(sum(right[: k + 1]) / (k + 1), sum(right[: k + 1])) for k in range(len(right))]
    strips = [max(p for p, n in found if n > k) for k in range(sum(right))]
    return sum(strips) / total
