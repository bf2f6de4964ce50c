"""A single-shot detector (Liu et al. 2016, "SSD: single shot multibox detector").

Every cell of two feature maps carries anchors: boxes of given sizes and shapes. For each the network says what is in it
and how it has to be moved and stretched:
    g_x = (x - x_a) / (w_a v_0),   g_w = log(w / w_a) / v_1        (v: the variances 0.1 and 0.2)
An anchor is positive when it overlaps an object enough, and every object has at least one. Most anchors are
background; of these only the worst three per positive count (hard negative mining). Non-maximum suppression leaves
one box per object.
"""

import argparse
import itertools

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

SIZE = 32
CLASSES = ("background", "bright", "dark")
VARIANCES = torch.tensor([0.1, 0.1, 0.2, 0.2])


def to_corners(boxes):
    """(..., 4): centre x, centre y, width, height -> left, top, right, bottom"""
    centre, extent = boxes.split(2, dim=-1)
    return torch.cat([centre - extent / 2, centre + extent / 2], dim=-1)


def to_centre(corners):
    low, high = corners.chunk(2, dim=-1)
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def overlap(a, b):
    """Intersection over union of all pairs. a: (A, 4), b: (B, 4) corners -> (A, B)"""
    low = torch.max(a[:, None, :2], b[None, :, :2])
    high = torch.min(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(dim=-1) for box in (a, b))
    return shared / (area_a[:, None] + area_b[None] - shared)


class Rectangles(Dataset):
    """Up to three rectangles in noise, brighter or darker. image: (1, 32, 32), corners: (K, 4) in [0, 1], labels: (K,)"""

    def __init__(self, n, seed):
        self.n, self.seed = n, seed

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        generator = torch.Generator().manual_seed(1000 * self.seed + i)
        image = 0.2 * torch.randn(1, SIZE, SIZE, generator=generator)
        corners, labels = [], []
        for _ in range(torch.randint(1, 4, (), generator=generator).item()):
            w, h = torch.randint(6, 15, (2,), generator=generator).tolist()
            x, y = (torch.rand(2, generator=generator) * torch.tensor([SIZE - w, SIZE - h])).long().tolist()
            label = torch.randint(1, 3, (), generator=generator).item()
            image[:, y : y + h, x : x + w] = (1.0 if label == 1 else -1.0) + 0.2 * torch.randn(
                h, w, generator=generator
            )
            corners.append([x / SIZE, y / SIZE, (x + w) / SIZE, (y + h) / SIZE])
            labels.append(label)
        return image, torch.tensor(corners), torch.tensor(labels)


def collate(batch):
    """Pictures have different numbers of objects: these stay lists."""
    images, corners, labels = zip(*batch, strict=True)
    return torch.stack(images), list(corners), list(labels)


def make_anchors():
    """(A, 4) centres and extents: three shapes for every cell of 8 x 8 and of 4 x 4."""
    anchors = []
    for cells, scale in ((8, 0.25), (4, 0.4)):
        for i, j in itertools.product(range(cells), repeat=2):
            for ratio in (1.0, 2.0, 0.5):
                anchors.append([(j + 0.5) / cells, (i + 0.5) / cells, scale * ratio**0.5, scale / ratio**0.5])
    return torch.tensor(anchors)


class SSD(nn.Module):
    def __init__(self, classes, shapes=3):
        super().__init__()

        def block(inputs, outputs, stride):
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1)
            )

        self.stem = nn.Sequential(block(1, 16, 2), nn.Dropout2d(0.05), block(16, 32, 2))  # (N, 32, 8, 8)
        self.deeper = block(32, 48, 2)  # (N, 48, 4, 4)
        self.heads = nn.ModuleList(nn.Conv2d(c, shapes * (classes + 4), 3, padding=1) for c in (32, 48))
        self.classes = classes

    def forward(self, x):
        """-> class scores (N, A, classes), offsets (N, A, 4), in the order of the anchors"""
        fine = self.stem(x)
        outputs = []
        for head, features in zip(self.heads, (fine, self.deeper(fine)), strict=True):
            y = head(features).permute(0, 2, 3, 1).contiguous()  # channels last: cell by cell, shape by shape
            outputs.append(y.view(len(x), -1, self.classes + 4))
        return torch.cat(outputs, dim=1).split([self.classes, 4], dim=-1)


def encode(boxes, anchors):
    offsets = torch.cat(
        [(boxes[:, :2] - anchors[:, :2]) / anchors[:, 2:], torch.log(boxes[:, 2:] / anchors[:, 2:])], dim=1
    )
    return offsets / VARIANCES


def decode(offsets, anchors):
    offsets = offsets * VARIANCES
    return to_corners(
        torch.cat([anchors[:, :2] + offsets[:, :2] * anchors[:, 2:], anchors[:, 2:] * offsets[:, 2:].exp()], dim=1)
    )


@torch.no_grad()
def match(corners, labels, anchors, threshold=0.45):
    """What each anchor has to say: (A,) a class, (A, 4) offsets."""
    overlaps = overlap(to_corners(anchors), corners)  # (A, K)
    best, owner = overlaps.max(dim=1)
    own_anchor = overlaps.argmax(dim=0)  # every object keeps the anchor that fits it best
    owner[own_anchor] = torch.arange(len(corners))
    best[own_anchor] = 1.0
    target = labels[owner].masked_fill(best < threshold, 0)
    return target, encode(to_centre(corners[owner]), anchors)


def multibox_loss(scores, offsets, targets, boxes):
    """(classification + localisation) / positives; scores: (N, A, C), offsets and boxes: (N, A, 4), targets: (N, A)"""
    positive = targets > 0
    count = positive.sum(dim=1, keepdim=True)
    entropy = F.cross_entropy(scores.transpose(1, 2), targets, reduction="none")  # (N, A)
    negative = entropy.detach().masked_fill(positive, -1)
    rank = negative.argsort(dim=1, descending=True, stable=True).argsort(dim=1)  # 0 for the worst
    counts = positive | (rank < 3 * count)
    located = F.smooth_l1_loss(offsets[positive], boxes[positive], reduction="sum")
    return (entropy[counts].sum() + located) / count.sum()


def non_maximum_suppression(corners, scores, threshold=0.4):
    """Indices of the boxes that no better box overlaps by more than the threshold."""
    order, kept = scores.argsort(descending=True, stable=True), []
    while order.numel():
        first, others = order[0], order[1:]
        kept.append(first)
        order = others[overlap(corners[first : first + 1], corners[others])[0] <= threshold]
    return torch.stack(kept) if kept else order


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(Rectangles(320, seed=1), batch_size=16, shuffle=True, collate_fn=collate)
    model, anchors = SSD(len(CLASSES)), make_anchors()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CyclicLR(
        optimizer, base_lr=2e-3, max_lr=2e-2, step_size_up=20, mode="triangular2"
    )

    losses = []
    while len(losses) < args.steps:
        model.train()
        for images, corners, labels in train:
            targets, boxes = zip(*[match(c, t, anchors) for c, t in zip(corners, labels, strict=True)], strict=True)
            scores, offsets = model(images)
            loss = multibox_loss(scores, offsets, torch.stack(targets), torch.stack(boxes))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    hits = found = objects = 0
    test = Rectangles(40, seed=2)
    for i in range(len(test)):
        image, corners, labels = test[i]
        with torch.no_grad():
            scores, offsets = model(image.unsqueeze(0))
        confidence, label = scores[0].softmax(dim=-1)[:, 1:].max(dim=-1)
        sure = confidence > 0.5
        boxes, label = decode(offsets[0], anchors)[sure], label[sure] + 1
        kept = non_maximum_suppression(boxes, confidence[sure])
        fits = overlap(boxes[kept], corners) > 0.5
        right = (fits & (label[kept].unsqueeze(1) == labels)).any(dim=0)  # of each object
        hits, found, objects = hits + right.sum().item(), found + len(kept), objects + len(labels)
    print(f"{anchors.shape[0]} anchors; found {hits} of {objects} objects with {found} boxes")
    return losses


if __name__ == "__main__":
    main()
