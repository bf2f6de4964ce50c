"""Chapter 19: overlap, offsets, and which boxes stay."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch
from minitorch.models.boxes import iou as all_pairs

from .exercise import exercise

corners = st.tuples(*[st.integers(0, 4)] * 2, *[st.integers(1, 4)] * 2)
box = corners.map(lambda c: [float(v) for v in (c[0], c[1], c[0] + c[2], c[1] + c[3])])
box_tensor = box.map(torch.tensor)


def overlap_without_clamp(a, b):
    width, height = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@exercise(a=box_tensor, b=box_tensor, mistake=overlap_without_clamp)
def iou(a, b):
    """Intersection over union (交并比) of two boxes, tensors (4,): left, top, right, bottom. Both have a positive area.
    The answer has no dimension, or is a number."""
    width = max(0.0, float(min(a[2], b[2]) - max(a[0], b[0])))
    height = max(0.0, float(min(a[3], b[3]) - max(a[1], b[1])))
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@exercise(
    box=box_tensor,
    anchor=box_tensor,
    mistake=lambda box, anchor: torch.cat(
        [
            ((box[:2] + box[2:]) / 2 - (anchor[:2] + anchor[2:]) / 2) / 0.1,
            ((box[2:] - box[:2]) / (anchor[2:] - anchor[:2])).log() / 0.2,
        ]
    ),
)
def offsets(box, anchor):
    """What the anchor box (锚框) must say to mean `box`: a tensor (4,), as the formula of this chapter has it.
    Both are tensors (4,) with left, top, right, bottom."""
    centre, anchor_centre = (box[:2] + box[2:]) / 2, (anchor[:2] + anchor[2:]) / 2
    size, anchor_size = box[2:] - box[:2], anchor[2:] - anchor[:2]
    return torch.cat([(centre - anchor_centre) / anchor_size / 0.1, (size / anchor_size).log() / 0.2])


scored_boxes = st.lists(box, min_size=1, max_size=5).flatmap(
    lambda boxes: st.fixed_dictionaries(
        {
            "boxes": st.just(boxes).map(torch.tensor),
            "scores": st.permutations(range(len(boxes))).map(lambda ranks: torch.tensor([(r + 1) / 8 for r in ranks])),
            "threshold": st.sampled_from([0.25, 0.5, 0.75]),
        }
    )
)


def against_all_before(boxes, scores, threshold):
    """Strikes a box also for one that is struck itself."""
    order = scores.argsort(descending=True).tolist()
    pairs = all_pairs(boxes, boxes)
    return [i for k, i in enumerate(order) if all(float(pairs[i, j]) <= threshold for j in order[:k])]


@exercise(scored_boxes, mistake=against_all_before)
def nms(boxes, scores, threshold):
    """Non-maximum suppression (非极大值抑制): the list of the indices of the boxes that stay, best first. `boxes` is
    (N, 4), `scores` (N,), all different. A box goes if it overlaps one *that stays* and has a better score by more than
    `threshold`. You may call `minitorch.models.boxes.iou`."""
    order = scores.argsort(descending=True).tolist()
    stay = []
    for i in order:
        if all(float(all_pairs(boxes[i : i + 1], boxes[j : j + 1])) <= threshold for j in stay):
            stay.append(i)
    return stay


@exercise(
    st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=6, unique_by=lambda p: p[0]).map(
        lambda drawn: {
            "loss": torch.tensor([n / 2 for n, _ in drawn]),
            "positive": torch.tensor([p for _, p in drawn]),
        }
    ),
    mistake=lambda loss, positive: loss.argsort(descending=True).argsort() < 3 * positive.sum(),
)
def counted(loss, positive):
    """Which anchors of one image count in the loss after hard-negative mining (难负样本挖掘): bool (A,). Those with an
    object (`positive`, bool (A,)) do, and of the others the ones with the largest `loss` (A,), three for each positive
    one. All losses differ and are above 0."""
    hardness = loss.masked_fill(positive, -1.0)
    rank = hardness.argsort(descending=True).argsort()
    return positive | (rank < 3 * positive.sum())
