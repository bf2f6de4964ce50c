"""SSD, the single-shot detector (单发多框检测): all boxes of an image from one forward pass.

Liu et al., "SSD: Single Shot MultiBox Detector" (ECCV 2016), at a size that trains on a processor: the body is a few
convolutions with batch norm instead of VGG-16, everything after it as in section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import Tensor, cat, nn, no_grad, stack
from ..nn import functional as F
from .average_precision import Objects
from .boxes import anchor_boxes, assign, decode, encode, hard_negatives, nms

BACKGROUND = 0  # class 0 of the network; class c of the data is its class c + 1
RATIOS = (1.0, 2.0, 0.5)


def halving(in_channels: int, out_channels: int) -> nn.Sequential:
    """(N, in_channels, H, W) -> (N, out_channels, H / 2, W / 2): twice convolution, batch norm, ReLU; then max pooling."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


class SSD(nn.Module):
    """Square images (N, 3, S, S) -> class logits (N, A, num_classes + 1), offsets (N, A, 4), for the A anchors.

        body      (N, widths[2], S / 8, S / 8)    the first feature map: many small anchors
        stage k   half the size of the one before: fewer, larger anchors, as each cell sees more of the image
        heads     on each map, a 3x3 convolution for the classes of its anchors and one for their offsets

    The scale of map k of m is s_k = smallest + (largest - smallest) k / (m - 1) (equation 4), and each cell has ratio 1,
    2 and 1/2 at s_k and one more square at sqrt(s_k s_(k+1)), which together are `anchors`: (A, 4), in the unit square.
    """

    anchors: Tensor

    def __init__(
        self,
        num_classes: int,
        image_size: int = 64,
        widths: Sequence[int] = (16, 32, 64, 64, 64),
        smallest: float = 0.22,
        largest: float = 0.5,
    ):
        super().__init__()
        if len(widths) < 4 or image_size % 2 ** len(widths):
            raise ValueError(f"SSD: at least 4 widths and 2**{len(widths)} | image_size, not {image_size}")
        self.num_classes = num_classes
        in_channels = (3, *widths)
        blocks = [halving(wide_in, wide_out) for wide_in, wide_out in zip(in_channels, widths, strict=False)]
        self.body = nn.Sequential(*blocks[:3])
        self.stages = nn.ModuleList(blocks[3:])
        maps = widths[2:]
        step = (largest - smallest) / (len(maps) - 1)
        scales = [smallest + step * k for k in range(len(maps) + 1)]
        per_cell = len(RATIOS) + 1
        self.class_heads = nn.ModuleList([nn.Conv2d(n, per_cell * (num_classes + 1), 3, padding=1) for n in maps])
        self.offset_heads = nn.ModuleList([nn.Conv2d(n, per_cell * 4, 3, padding=1) for n in maps])
        self.register_buffer(
            "anchors",
            cat([map_anchors(image_size // 2 ** (k + 3), scales[k], scales[k + 1]) for k in range(len(maps))]),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(images)
        maps = [x]
        for stage in self.stages:
            maps.append(x := stage(x))
        logits = [per_anchor(head(m), self.num_classes + 1) for head, m in zip(self.class_heads, maps, strict=True)]
        offsets = [per_anchor(head(m), 4) for head, m in zip(self.offset_heads, maps, strict=True)]
        return cat(logits, 1), cat(offsets, 1)

    @no_grad()
    def detect(self, images: Tensor, confidence: float = 0.01, overlap: float = 0.45, most: int = 50) -> list[Objects]:
        """What is in each image (section 2.2, "Inference"): boxes in the unit square, classes of the data, scores.

        A class of an anchor counts if its probability is at least `confidence`. Within a class `nms` removes what
        overlaps a better box by more than `overlap`; the `most` best of the image stay.
        """
        logits, offsets = self(images)
        probabilities = logits.softmax(-1)
        boxes = decode(offsets, self.anchors).clamp(0, 1)
        return [select(b, p, confidence, overlap, most) for b, p in zip(boxes, probabilities, strict=True)]


def map_anchors(cells: int, scale: float, next_scale: float) -> Tensor:
    """The four anchors of each of cells x cells: (cells^2 * 4, 4), ratio 1, 2, 1/2, and the square between the scales."""
    at_scale = anchor_boxes(cells, cells, [scale], RATIOS).reshape(-1, len(RATIOS), 4)
    between = anchor_boxes(cells, cells, [(scale * next_scale) ** 0.5], [1.0]).reshape(-1, 1, 4)
    return cat([at_scale, between], 1).reshape(-1, 4)


def per_anchor(prediction: Tensor, size: int) -> Tensor:
    """A head's output (N, A' * size, H, W) -> (N, H * W * A', size), in the order of the anchors."""
    return prediction.permute(0, 2, 3, 1).reshape(len(prediction), -1, size)


def select(boxes: Tensor, probabilities: Tensor, confidence: float, overlap: float, most: int) -> Objects:
    """boxes: (A, 4), probabilities: (A, num_classes + 1) of one image -> the detections, best first."""
    chosen_boxes, labels, scores = [], [], []
    for label in range(probabilities.shape[1] - 1):
        score = probabilities[:, label + 1]
        sure = score >= confidence
        here, score = boxes[sure], score[sure]
        stay = nms(here, score, overlap)
        chosen_boxes.append(here[stay])
        scores.append(score[stay])
        labels.append(stay * 0 + label)
    score = cat(scores)
    best = score.argsort(descending=True, stable=True)[:most]
    return Objects(cat(chosen_boxes)[best], cat(labels)[best], score[best])


def training_targets(anchors: Tensor, true: Sequence[Objects]) -> tuple[Tensor, Tensor]:
    """classes int64 (N, A), 0 for background; offsets (N, A, 4), which count only where the class is not 0."""
    classes, offsets = [], []
    for objects in true:
        owner = assign(anchors, objects.boxes)
        positive = owner >= 0
        owner = owner.clamp(min=0)
        if len(objects.boxes) == 0:
            classes.append(owner * 0)
            offsets.append(anchors * 0)
            continue
        classes.append((objects.labels[owner] + 1) * positive)
        offsets.append(encode(objects.boxes[owner], anchors))
    return stack(classes), stack(offsets)


def multibox_loss(logits: Tensor, offsets: Tensor, classes: Tensor, true_offsets: Tensor) -> Tensor:
    """L = (L_class + L_box) / P (equation 1), P: the number of positive anchors of the batch, at least 1.

    L_class: cross-entropy of the positive and of the hardest negative anchors; L_box: smooth L1 of the positive ones'
    offsets. logits: (N, A, num_classes + 1), offsets, true_offsets: (N, A, 4), classes: (N, A).
    """
    positive = classes != BACKGROUND
    class_loss = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none").reshape(classes.shape)
    counted = positive | hard_negatives(class_loss.detach(), positive)
    box_loss = F.smooth_l1_loss(offsets, true_offsets, reduction="none").sum(-1)
    return ((class_loss * counted).sum() + (box_loss * positive).sum()) / positive.sum().clamp(min=1)
