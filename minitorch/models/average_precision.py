"""Mean average precision: how good a detector is, over all thresholds of its scores.

Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge" (IJCV 2010), section 4.2, for the 11-point form;
the area under the curve from the challenge of 2010 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import Tensor, no_grad
from .boxes import iou

METHODS = ("area", "11-point")


@dataclass(frozen=True)
class Objects:
    """What is in an image, or was found there. boxes: (K, 4), labels: int64 (K,), scores: (K,), only of what was found."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor | None = None


@no_grad()
def precision_recall(
    found: Sequence[Objects], true: Sequence[Objects], label: int, threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """(precision, recall) of one class after each of its D detections, best score first: float64 arrays (D,).

    A detection is right if the true box of its class and image that it overlaps most does so by at least `threshold`
    and no better detection has claimed that box; a second one on the same object is wrong.

        precision = right / (right + wrong)      recall = right / all true boxes
    """
    scores, right = [], []
    total = 0
    for detected, truth in zip(found, true, strict=True):
        here, there = detected.labels == label, truth.labels == label
        boxes, true_boxes = detected.boxes[here], truth.boxes[there]
        score = detected.scores[here].numpy() if detected.scores is not None else np.ones(len(boxes))
        overlap = iou(boxes, true_boxes).numpy()
        claimed = np.zeros(len(true_boxes), bool)
        total += len(true_boxes)
        for i in np.argsort(-score, kind="stable"):
            box = int(overlap[i].argmax()) if len(true_boxes) else -1
            hit = box >= 0 and overlap[i, box] >= threshold and not claimed[box]
            if hit:
                claimed[box] = True
            scores.append(score[i])
            right.append(hit)
    best_first = np.argsort(-np.array(scores), kind="stable")
    rights = np.cumsum(np.array(right, float)[best_first])
    precision = rights / np.arange(1, len(rights) + 1)
    return precision, rights / total if total else np.zeros(len(rights))


def average_precision(precision: np.ndarray, recall: np.ndarray, method: str = "area") -> float:
    """One number for the curve: the mean over recall r in [0, 1] of p(r) = the best precision at a recall >= r.

    "area": the integral of p. "11-point": the mean of p at r = 0, 0.1, ..., 1.
    """
    if method not in METHODS:
        raise ValueError(f"average_precision: method must be {' or '.join(METHODS)}, not {method!r}")
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if method == "11-point":
        at = np.searchsorted(recall, np.arange(11) / 10 - 1e-12)  # the first detection with a recall >= r
        return float(np.append(envelope, 0.0)[at].mean())
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def mean_average_precision(
    found: Sequence[Objects], true: Sequence[Objects], threshold: float = 0.5, method: str = "area"
) -> float:
    """The mean of the average precision over the classes that occur in `true`, one entry an image in both; nan for none.

    ValueError if the images are not as many, or for another method.
    """
    labels = sorted({int(label) for truth in true for label in truth.labels})
    curves = [precision_recall(found, true, label, threshold) for label in labels]
    return (
        float(np.mean([average_precision(precision, recall, method) for precision, recall in curves]))
        if curves
        else float("nan")
    )
