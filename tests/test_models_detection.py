"""Boxes against counted pixels and definitions, SSD against torch, average precision against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models_against_torch import assert_same_model, random_images

import minitorch
from minitorch.models import boxes as B
from minitorch.models.average_precision import Objects, average_precision, mean_average_precision, precision_recall
from minitorch.models.ssd import SSD, map_anchors, multibox_loss, training_targets

GRID = 12


def drawn_boxes(rng, count, side=GRID):
    """Boxes with corners in whole numbers, at least 1 wide and high."""
    left_top = rng.integers(0, side - 1, (count, 2))
    right_bottom = left_top + 1 + rng.integers(0, side - left_top)
    return minitorch.tensor(np.concatenate([left_top, right_bottom], 1).astype(float))


def pixels(box, side=GRID):
    """The pixels that a box with corners in whole numbers covers."""
    left, top, right, bottom = (int(v) for v in box)
    mask = np.zeros((side, side), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_iou_counts_pixels():
    rng = np.random.default_rng(0)
    one, other = drawn_boxes(rng, 20), drawn_boxes(rng, 15)
    counted = [[(pixels(a) & pixels(b)).sum() / (pixels(a) | pixels(b)).sum() for b in other] for a in one]
    np.testing.assert_allclose(B.iou(one, other).numpy(), counted, rtol=1e-14)
    with pytest.raises(RuntimeError, match=r"iou.*\(3,\)"):
        B.iou(one, minitorch.zeros(3))


def test_anchors_have_centre_area_and_ratio():
    anchors = B.to_centre(B.anchor_boxes(3, 5, [0.2, 0.4], [1.0, 4.0, 0.5])).numpy().reshape(3, 5, 2, 3, 4)
    np.testing.assert_allclose(
        anchors[..., 0], np.broadcast_to((np.arange(5) + 0.5)[:, None, None] / 5, (3, 5, 2, 3)), rtol=1e-6
    )
    np.testing.assert_allclose(
        anchors[..., 1], np.broadcast_to((np.arange(3) + 0.5)[:, None, None, None] / 3, (3, 5, 2, 3)), rtol=1e-6
    )
    width, height = anchors[..., 2], anchors[..., 3]
    np.testing.assert_allclose(width * height, np.broadcast_to([[0.04], [0.16]], width.shape), rtol=1e-6)
    np.testing.assert_allclose(width / height, np.broadcast_to([1.0, 4.0, 0.5], width.shape), rtol=1e-6)


def test_offsets_are_the_formula_and_go_back():
    rng = np.random.default_rng(1)
    boxes, anchors = drawn_boxes(rng, 30), drawn_boxes(rng, 30)
    offsets = B.encode(boxes, anchors)
    for box, anchor, offset in zip(boxes.numpy(), anchors.numpy(), offsets.numpy(), strict=True):
        width, height = anchor[2] - anchor[0], anchor[3] - anchor[1]
        expected = [
            ((box[0] + box[2]) - (anchor[0] + anchor[2])) / 2 / width / 0.1,
            ((box[1] + box[3]) - (anchor[1] + anchor[3])) / 2 / height / 0.1,
            np.log((box[2] - box[0]) / width) / 0.2,
            np.log((box[3] - box[1]) / height) / 0.2,
        ]
        np.testing.assert_allclose(offset, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(B.decode(offsets, anchors).numpy(), boxes.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_assignment_by_its_definition(seed):
    rng = np.random.default_rng(seed)
    anchors, boxes = drawn_boxes(rng, int(rng.integers(1, 12))), drawn_boxes(rng, int(rng.integers(0, 6)))
    overlap = [[(pixels(a) & pixels(b)).sum() / (pixels(a) | pixels(b)).sum() for b in boxes] for a in anchors]
    expected = {}
    free = {(i, k) for i in range(len(anchors)) for k in range(len(boxes))}
    while free:
        i, k = max(sorted(free), key=lambda pair: overlap[pair[0]][pair[1]])
        expected[i] = k
        free = {pair for pair in free if pair[0] != i and pair[1] != k}
    for i in range(len(anchors)):
        if i not in expected and len(boxes) and max(overlap[i]) >= 0.5:
            expected[i] = int(np.argmax(overlap[i]))
    assert B.assign(anchors, boxes).tolist() == [expected.get(i, -1) for i in range(len(anchors))]


def test_hard_negatives_are_the_worst_ones():
    rng = np.random.default_rng(2)
    loss, positive = rng.random((5, 40)), rng.random((5, 40)) < np.array([0, 0.02, 0.1, 0.2, 0.9])[:, None]
    chosen = B.hard_negatives(minitorch.tensor(loss), minitorch.tensor(positive), ratio=3).numpy()
    for i in range(5):
        worst = sorted((j for j in range(40) if not positive[i, j]), key=lambda j: -loss[i, j])
        assert np.flatnonzero(chosen[i]).tolist() == sorted(worst[: 3 * positive[i].sum()])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 14), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_nms_is_its_definition(seed, count, threshold):
    rng = np.random.default_rng(seed)
    boxes = drawn_boxes(rng, count)
    scores = minitorch.tensor(rng.integers(0, 6, count) / 5)  # with ties
    stay = B.nms(boxes, scores, threshold).tolist()
    assert stay == B.nms_by_definition(boxes, scores, threshold)
    # What the definition is for: nothing that stays overlaps, and whatever went overlaps something better.
    overlap = B.iou(boxes, boxes).numpy()
    assert all(overlap[i, j] <= threshold for i in stay for j in stay if i != j)
    assert all(
        any(overlap[i, j] > threshold and scores[j] >= scores[i] for j in stay) for i in set(range(count)) - set(stay)
    )


def test_nms_refuses_scores_of_another_length():
    with pytest.raises(RuntimeError, match="nms"):
        B.nms(minitorch.zeros(3, 4), minitorch.zeros(2))


# Average precision


def drawn_objects(rng, count, classes, scored):
    labels = minitorch.tensor(rng.integers(0, classes, count))
    scores = minitorch.tensor(rng.permutation(1000)[:count] / 1000) if scored else None
    return Objects(drawn_boxes(rng, count, 6), labels, scores)


def defined_precision(found, true, threshold, points):
    """The mean average precision, one detection at a time, in plain Python."""
    means = []
    for label in sorted({int(v) for t in true for v in t.labels}):
        ranked = sorted(
            (-float(f.scores[i]), image, i)
            for image, f in enumerate(found)
            for i in range(len(f.boxes))
            if f.labels[i] == label
        )
        total = sum(int(v) == label for t in true for v in t.labels)
        claimed, curve, right = set(), [], 0
        for rank, (_, image, i) in enumerate(ranked, 1):
            best, best_overlap = None, -1.0
            for k in range(len(true[image].boxes)):
                if true[image].labels[k] == label:
                    a, b = pixels(found[image].boxes[i]), pixels(true[image].boxes[k])
                    overlap = (a & b).sum() / (a | b).sum()
                    if overlap > best_overlap:
                        best, best_overlap = (image, k), overlap
            if best_overlap >= threshold and best not in claimed:
                claimed.add(best)
                right += 1
            curve.append((right, right / rank))
        levels = [total * r / 10 for r in range(11)] if points else range(1, total + 1)
        means.append(np.mean([max([p for r, p in curve if r >= level - 1e-9], default=0.0) for level in levels]))
    return np.mean(means)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("method", ["area", "11-point"])
def test_mean_average_precision_by_its_definition(seed, method):
    rng = np.random.default_rng(seed)
    true = [drawn_objects(rng, int(n), 3, False) for n in rng.integers(0, 6, 5)]
    found = [drawn_objects(rng, int(n), 4, True) for n in rng.integers(0, 30, 5)]
    expected = defined_precision(found, true, 0.3, method == "11-point")
    assert mean_average_precision(found, true, 0.3, method) == pytest.approx(expected, abs=1e-12)


def test_average_precision_by_hand():
    """Two objects; right, wrong, right: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1."""
    box = [[0.0, 0, 1, 1], [5, 5, 6, 6], [2, 2, 3, 3]]
    found = [Objects(minitorch.tensor(box), minitorch.tensor([0, 0, 0]), minitorch.tensor([0.9, 0.8, 0.7]))]
    true = [Objects(minitorch.tensor([box[0], box[2]]), minitorch.tensor([0, 0]))]
    precision, recall = precision_recall(found, true, 0)
    assert precision.tolist() == [1, 1 / 2, 2 / 3] and recall.tolist() == [1 / 2, 1 / 2, 1]
    assert average_precision(precision, recall) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision(precision, recall, "11-point") == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)
    with pytest.raises(ValueError, match="method"):
        average_precision(precision, recall, "12-point")


# SSD


class TorchSSD(torch.nn.Module):
    def __init__(self, classes, widths):
        super().__init__()
        layers, before = [], 3
        for width in widths:
            block = []
            for channels in (before, width):
                block += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
            layers.append(torch.nn.Sequential(*block, torch.nn.MaxPool2d(2)))
            before = width
        self.body, self.stages = torch.nn.Sequential(*layers[:3]), torch.nn.ModuleList(layers[3:])
        self.class_heads = torch.nn.ModuleList(
            [torch.nn.Conv2d(w, 4 * (classes + 1), 3, padding=1) for w in widths[2:]]
        )
        self.offset_heads = torch.nn.ModuleList([torch.nn.Conv2d(w, 16, 3, padding=1) for w in widths[2:]])
        self.classes = classes

    def forward(self, x):
        logits, offsets = [], []
        x = self.body(x)
        for k in range(len(self.class_heads)):
            x = x if k == 0 else self.stages[k - 1](x)
            n, _, h, w = x.shape
            logits.append(
                self.class_heads[k](x).reshape(n, 4, self.classes + 1, h, w).permute(0, 3, 4, 1, 2).flatten(1, 3)
            )
            offsets.append(self.offset_heads[k](x).reshape(n, 4, 4, h, w).permute(0, 3, 4, 1, 2).flatten(1, 3))
        return torch.cat(logits, 1), torch.cat(offsets, 1)


def test_ssd_is_torchs():
    true = TorchSSD(3, (4, 4, 6, 6))
    true.register_buffer("anchors", torch.zeros(4 * (16 + 4), 4))
    assert_same_model(SSD(3, 32, (4, 4, 6, 6)), true.train(), random_images(2, 3, 32, 32))


def test_ssd_anchors_lie_where_the_heads_look():
    """On map k the scale is s_k, and the square in between has the geometric mean's area."""
    size = B.to_centre(map_anchors(4, 0.2, 0.8)).numpy().reshape(4, 4, 4, 4)
    np.testing.assert_allclose(
        np.sqrt(size[..., 2] * size[..., 3]), np.broadcast_to([0.2, 0.2, 0.2, 0.4], (4, 4, 4)), rtol=1e-6
    )
    np.testing.assert_allclose(size[1, 2, :, :2], np.broadcast_to([2.5 / 4, 1.5 / 4], (4, 2)), rtol=1e-6)


def test_detections_of_a_network_that_says_the_truth():
    """Logits and offsets that encode the true boxes are decoded to them; an empty image stays empty."""
    model = SSD(3, 32, (4, 4, 6, 6))
    boxes = minitorch.tensor([[0.1, 0.1, 0.4, 0.5], [0.5, 0.4, 0.9, 0.9]])
    nothing = Objects(minitorch.zeros(0, 4), minitorch.zeros(0, dtype=minitorch.int64))
    true = [Objects(boxes, minitorch.tensor([2, 0])), nothing]
    classes, offsets = training_targets(model.anchors, true)
    object.__setattr__(model, "forward", lambda images: (20.0 * minitorch.nn.functional.one_hot(classes, 4), offsets))
    found = model.detect(minitorch.zeros(2, 3, 32, 32), confidence=0.5)
    assert len(found[1].boxes) == 0 and len(found[0].boxes) == 2
    assert mean_average_precision(found, true, 0.99) == 1.0


def test_multibox_loss_is_torchs():
    rng = np.random.default_rng(4)
    logits, offsets = rng.standard_normal((3, 50, 4)), rng.standard_normal((3, 50, 4))
    true_offsets = 2 * rng.standard_normal((3, 50, 4))
    classes = rng.integers(1, 4, (3, 50)) * (rng.random((3, 50)) < 0.1)
    x, y = (torch.tensor(v, requires_grad=True) for v in (logits, offsets))
    expected = torch.zeros((), dtype=torch.float64)
    for i in range(3):
        losses = torch.nn.functional.cross_entropy(x[i], torch.tensor(classes[i]), reduction="none")
        positive = torch.tensor(classes[i] > 0)
        negative = losses[~positive].sort(descending=True).values[: 3 * int(positive.sum())]
        expected = expected + losses[positive].sum() + negative.sum()
        goal = torch.tensor(true_offsets[i])[positive]
        expected = expected + torch.nn.functional.smooth_l1_loss(y[i][positive], goal, reduction="sum")
    expected = expected / (classes > 0).sum()
    expected.backward()
    a, b = (minitorch.tensor(v, requires_grad=True) for v in (logits, offsets))
    loss = multibox_loss(a, b, minitorch.tensor(classes), minitorch.tensor(true_offsets))
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(a.grad.numpy(), x.grad.numpy(), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(b.grad.numpy(), y.grad.numpy(), rtol=1e-9, atol=1e-14)


def test_loss_without_any_object_is_zero():
    zeros = minitorch.zeros(1, 5, 4)
    loss = multibox_loss(zeros, zeros, minitorch.zeros(1, 5, dtype=minitorch.int64), zeros)
    assert loss.item() == 0
