"""Boxes and non-maximum suppression: what a detector says before and after, at any thresholds."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import optim
from ..core.state import no_grad
from ..core.tensor import Tensor, wrap
from ..models import SSD
from ..models.average_precision import Objects, mean_average_precision
from ..models.boxes import decode, nms
from ..models.ssd import multibox_loss, training_targets
from ..random import manual_seed
from ..vision.datasets.shapes import Scene, draw_scene
from .exhibit import Exhibit, number, whole

KINDS = ("ellipse", "rectangle", "triangle", "cross")
SIDE = 64
TRAINING, TEST = 1, 2  # seeds
SCENES = 1000  # of the test world that can be asked for


class Boxes(Exhibit):
    """Request: `scene`, its number; `confidence`, the least score; `overlap`, the largest IoU with a better box.

    Answer: `image`, the scene's bytes, red, green, blue, in base64; `candidates`, all boxes with at least that score, best
    first, each with `box` (left, top, right, bottom in the unit square), `label`, `score` and `stays`; `true`, the shapes
    that are there; `anchors`, how many boxes the network judges.
    """

    name = "boxes"
    model: SSD

    def __init__(self, steps: int = 300, images: int = 400):
        self.steps, self.count = steps, images

    def settings(self) -> dict[str, Any]:
        return {"steps": self.steps, "images": self.count, "kinds": KINDS, "side": SIDE}

    def prepare(self) -> bool:
        manual_seed(0)
        self.model = SSD(len(KINDS), SIDE, widths=(8, 16, 32, 32, 32))
        self.predict = functools.lru_cache(maxsize=64)(self._predict)
        return False

    def train(self, report: Callable[[float, str], None]) -> None:
        scenes = [scene(TRAINING, k) for k in range(self.count)]
        images = np.stack([pixels(s) for s in scenes])
        classes, offsets = training_targets(self.model.anchors, [objects(s) for s in scenes])
        optimizer = optim.Adam(self.model.parameters(), lr=3e-3)
        rng = np.random.default_rng(0)
        for step in range(self.steps):
            for group in optimizer.param_groups:
                group["lr"] = 3e-3 * (1 - step / self.steps)
            chosen = rng.choice(self.count, min(16, self.count), replace=False)
            batch = wrap(chosen)
            logits, shifts = self.model(wrap(images[chosen]))
            loss = multibox_loss(logits, shifts, classes[batch], offsets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            report((step + 1) / self.steps, f"loss {loss.item():.2f}")

    def describe(self) -> str:
        self.model.eval()
        tests = [scene(TEST, k) for k in range(60)]
        with no_grad():
            found = self.model.detect(wrap(np.stack([pixels(s) for s in tests])))
        score = mean_average_precision(found, [objects(s) for s in tests], 0.5)
        return f"SSD with {len(self.model.anchors):,} anchors, mAP@0.5 {score:.2f} on 60 new scenes"

    @no_grad()
    def _predict(self, index: int) -> tuple[Tensor, Tensor]:
        """Boxes (A, 4) in the unit square, probabilities (A, classes + 1)."""
        logits, offsets = self.model(wrap(pixels(scene(TEST, index))[None]))
        return decode(offsets, self.model.anchors).clamp(0, 1)[0], logits.softmax(-1)[0]

    @no_grad()
    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        index = whole(request, "scene", 0, SCENES - 1)
        confidence, overlap = number(request, "confidence", 0.01, 1), number(request, "overlap", 0, 1)
        boxes, probabilities = self.predict(index)
        candidates = []
        for label, name in enumerate(KINDS):
            score = probabilities[:, label + 1]
            sure = score >= confidence
            here, score = boxes[sure], score[sure]
            stay = set(nms(here, score, overlap).tolist())
            candidates += [
                {"box": [round(x, 4) for x in box], "label": name, "score": round(s, 4), "stays": k in stay}
                for k, (box, s) in enumerate(zip(here.tolist(), score.tolist(), strict=True))
            ]
        shown = scene(TEST, index)
        return {
            "image": base64.b64encode(shown.image().tobytes()).decode(),
            "side": SIDE,
            "candidates": sorted(candidates, key=lambda c: -c["score"]),
            "true": [
                {"box": [x / SIDE for x in box], "label": shape.kind}
                for box, shape in zip(shown.boxes.tolist(), shown.shapes, strict=True)
            ],
            "anchors": len(boxes),
        }


def scene(seed: int, index: int) -> Scene:
    return draw_scene(seed, index, SIDE, most=4, kinds=KINDS)


def pixels(shown: Scene) -> np.ndarray:
    """float32 (3, SIDE, SIDE), from -1/2 to 1/2."""
    return (shown.image().transpose(2, 0, 1) / 255 - 0.5).astype(np.float32)


def objects(shown: Scene) -> Objects:
    labels = np.array([KINDS.index(shape.kind) for shape in shown.shapes], np.int64)
    return Objects(wrap(shown.boxes / SIDE), wrap(labels))
