"""Boxes for object detection: overlap, anchor boxes, what an anchor learns, and which detections stay.

A box is (left, top, right, bottom), in any unit. Liu et al., "SSD: Single Shot MultiBox Detector" (ECCV 2016), section 2;
Ren et al., "Faster R-CNN" (NeurIPS 2015), section 3.1.2, for the offsets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import Tensor, arange, cat, full, maximum, meshgrid, minimum, no_grad, stack, tensor

# The offsets are divided by these, so that their spread is about one and both kinds weigh alike in the loss.
CENTRE_SCALE, SIZE_SCALE = 0.1, 0.2


def area(boxes: Tensor) -> Tensor:
    """boxes: (..., 4) -> (...): width times height."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (交并比; the Jaccard index) of each pair: (N, 4), (M, 4) -> (N, M).

    IoU(A, B) = |A and B| / |A or B| = |A and B| / (|A| + |B| - |A and B|), from 0, apart, to 1, equal.
    RuntimeError for other shapes.
    """
    for given in (boxes, others):
        if given.dim() != 2 or given.shape[1] != 4:
            raise RuntimeError(f"iou: boxes must have shape (N, 4), not {tuple(given.shape)}")
    left_top = maximum(boxes[:, None, :2], others[:, :2])
    right_bottom = minimum(boxes[:, None, 2:], others[:, 2:])
    width_height = (right_bottom - left_top).clamp(min=0)
    intersection = width_height[..., 0] * width_height[..., 1]
    return intersection / (area(boxes)[:, None] + area(others) - intersection)


def to_centre(boxes: Tensor) -> Tensor:
    """(left, top, right, bottom) -> (centre x, centre y, width, height), each (..., 4)."""
    return cat([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1)


def to_corners(boxes: Tensor) -> Tensor:
    """(centre x, centre y, width, height) -> (left, top, right, bottom), each (..., 4)."""
    return cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def anchor_boxes(height: int, width: int, scales: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """The anchor boxes (锚框) of a feature map: (height * width * A, 4), A = len(scales) * len(ratios), image = unit square.

    Around the centre of every cell, ((j + 1/2) / width, (i + 1/2) / height), lies one box for each scale s and ratio r:
    s sqrt(r) wide and s / sqrt(r) high, so that its area is s^2. Order: rows, columns, scales, ratios.
    """
    y, x = meshgrid((arange(height) + 0.5) / height, (arange(width) + 0.5) / width, indexing="ij")
    centres = stack([x, y], -1).reshape(-1, 1, 2)
    sizes = tensor([(s * r**0.5, s / r**0.5) for s in scales for r in ratios])
    count = (height * width, len(sizes), 2)
    return to_corners(cat([centres.expand(count), sizes.expand(count)], -1).reshape(-1, 4))


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """What an anchor (x_a, y_a, w_a, h_a) must say to mean the box (x, y, w, h); both (N, 4) by corners -> (N, 4).

    t = ((x - x_a) / w_a / 0.1, (y - y_a) / h_a / 0.1, ln(w / w_a) / 0.2, ln(h / h_a) / 0.2)

    In units of the anchor, so that large and small objects count alike; by the logarithm of the size, so that every
    answer is a box of positive size.
    """
    box, anchor = to_centre(boxes), to_centre(anchors)
    shift = (box[..., :2] - anchor[..., :2]) / anchor[..., 2:] / CENTRE_SCALE
    growth = (box[..., 2:] / anchor[..., 2:]).log() / SIZE_SCALE
    return cat([shift, growth], -1)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `encode`: offsets (..., N, 4), anchors (N, 4) -> boxes (..., N, 4)."""
    anchor = to_centre(anchors)
    centre = anchor[..., :2] + offsets[..., :2] * CENTRE_SCALE * anchor[..., 2:]
    size = anchor[..., 2:] * (offsets[..., 2:] * SIZE_SCALE).exp()
    return to_corners(cat([centre, size], -1))


@no_grad()
def assign(anchors: Tensor, boxes: Tensor, threshold: float = 0.5) -> Tensor:
    """The box that each anchor answers for: anchors (A, 4), boxes (K, 4) -> int64 (A,), index of the box, or -1 for none.

    First each box gets an anchor of its own: again and again the pair with the largest IoU of those whose anchor and
    box are both free. Then every free anchor takes the box that it overlaps most, if by at least `threshold`.
    """
    owner = full((len(anchors),), -1)
    if len(boxes) == 0:
        return owner
    overlap = iou(anchors, boxes)
    best = overlap.max(1)
    owner = best.indices.where(best.values >= threshold, owner)
    for _ in range(min(overlap.shape)):
        anchor, box = divmod(int(overlap.argmax()), len(boxes))
        owner[anchor] = box
        overlap[anchor], overlap[:, box] = -1, -1
    return owner


@no_grad()
def hard_negatives(loss: Tensor, positive: Tensor, ratio: int = 3) -> Tensor:
    """Hard-negative mining: of the anchors without object, those that count. loss, positive, result: (N, A); bool.

    Nearly all anchors show background. In each image only the `ratio` times as many as it has positive ones stay that
    the network gets most wrong (section 2.2); else background would drown the objects.
    """
    hardness = loss.masked_fill(positive, -float("inf"))
    rank = hardness.argsort(1, descending=True, stable=True).argsort(1)
    return (rank < ratio * positive.sum(1, keepdim=True)) & ~positive


def nms(boxes: Tensor, scores: Tensor, threshold: float = 0.5) -> Tensor:
    """Non-maximum suppression (非极大值抑制): indices int64 (M,) of the boxes that stay, best first.

    boxes: (N, 4), scores: (N,). Of the boxes left, the one with the best score stays, and all that overlap it by more
    than `threshold` go; and so on. Between equal scores the earlier box wins. All overlaps are computed at once; a loop
    over the boxes, best first, then strikes whole rows. RuntimeError where there are not as many scores as boxes.
    """
    if scores.shape != boxes.shape[:1]:
        raise RuntimeError(f"nms: {tuple(boxes.shape)} boxes need as many scores, not {tuple(scores.shape)}")
    order = scores.argsort(descending=True, stable=True)
    suppresses = (iou(boxes[order], boxes[order]) > threshold).numpy()
    stays = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if stays[i]:
            stays[i + 1 :] &= ~suppresses[i, i + 1 :]
    return order[tensor(stays)]


def nms_by_definition(boxes: Tensor, scores: Tensor, threshold: float = 0.5) -> list[int]:
    """`nms`, word by word as it is defined: to read, and to hold the quick one to."""
    left = sorted(range(len(boxes)), key=lambda i: -float(scores[i]))
    stay = []
    while left:
        best, *left = left
        stay.append(best)
        left = [i for i in left if float(iou(boxes[best : best + 1], boxes[i : i + 1])) <= threshold]
    return stay
