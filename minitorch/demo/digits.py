"""Draw a digit: what LeNet makes of it, layer by layer, and which ink the loss would want more or less of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import grad
from ..core.tensor import Tensor, wrap
from ..nn import functional as F
from ..train import TrainConfig, Training, load_images, read_run
from ..vision.datasets.digits import WHITE, resize_bilinear
from ..viz.summary import summary
from .exhibit import BadRequest, Exhibit, whole

SIDE = 32  # of the drawing, as of the bitmaps that the data set was made from
BLOCK = 4  # so many of its pixels in each direction become one
LAYERS = ("relu1", "relu2", "relu3", "relu4")
EPOCHS = 10


class Digits(Exhibit):
    """Request: `ink`, 1,024 characters 0 or 1, the drawing row by row; `target`, the class whose loss is differentiated
    (None: the predicted one). Or `example`: the number of a test image in place of the ink.

    Answer: `image`, what LeNet sees; `probabilities`; `layers`, each with its values and their gradient; `gradient`, of
    the image.
    """

    name = "digits"

    def __init__(self, checkpoint: Path | None = None, epochs: int = EPOCHS):
        self.checkpoint, self.epochs = checkpoint, epochs

    def settings(self) -> dict[str, Any]:
        return TrainConfig(epochs=self.epochs).as_dict()

    def prepare(self) -> bool:
        data = load_images("digits")
        if self.checkpoint is None:
            self.training = Training(TrainConfig(epochs=self.epochs), data)
        else:
            config, tree = read_run(self.checkpoint)
            if (config.model, config.dataset) != ("lenet", "digits"):
                raise BadRequest(
                    f"{self.checkpoint} is a {config.model} trained on {config.dataset}; the demo shows a lenet trained on digits"
                )
            self.training = Training(config, data)
            self.training.model.load_state_dict(tree["model"])
        self.model = self.training.model
        return self.checkpoint is not None

    def train(self, report: Callable[[float, str], None]) -> None:
        training = self.training
        steps = training.steps_per_epoch * self.epochs

        def after_step() -> bool:
            done = training.epoch * training.steps_per_epoch + training.batch
            report(done / steps, f"loss {training.running.mean_loss:.3f}")
            return False

        training.run(after_step, lambda: None)

    def describe(self) -> str:
        test = self.training.evaluate()  # which puts the model into its evaluation mode
        return f"LeNet, {100 * test.accuracy:.1f} % of {len(test.predictions)} test digits right"

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "example" in request:
            images = self.training.data.test_images
            pixels = images[whole(request, "example", 0, len(images) - 1)].numpy()[None]
        else:
            pixels = as_the_data(ink_of(request))[None, None]
        target = None if request.get("target") is None else whole(request, "target", 0, 9)
        return self.seen(wrap(pixels), target)

    def seen(self, pixels: Tensor, target: int | None) -> dict[str, Any]:
        """pixels: uint8 (1, 1, 28, 28)."""
        image = (pixels.float() / 255).requires_grad_()
        logits, activations = self.run(self.training.normalise(255 * image))
        predicted = int(logits.argmax(1).item())
        loss = F.cross_entropy(logits, wrap(np.array([predicted if target is None else target])))
        gradients = grad(loss, [image, *activations])
        return {
            "image": picture(image),
            "gradient": picture(gradients[0]),
            "probabilities": [round(p, 5) for p in logits.softmax(1)[0].tolist()],
            "predicted": predicted,
            "loss": round(loss.item(), 5),
            "layers": [
                {"name": name, "shape": list(a.shape[1:]), "values": picture(a[0]), "gradient": picture(g[0])}
                for name, a, g in zip(LAYERS, activations, gradients[1:], strict=True)
            ],
        }

    def run(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and what came out of each of `LAYERS`."""
        kept: list[Tensor] = []
        handles = [
            self.model.get_submodule(name).register_forward_hook(lambda module, args, output: kept.append(output))
            for name in LAYERS
        ]
        try:
            return self.model(x), kept
        finally:
            for handle in handles:
                handle.remove()


def picture(values: Tensor) -> dict[str, Any]:
    array = values.detach().numpy()
    return summary(array.reshape(4, -1) if array.ndim == 1 else array, 28)["picture"]


def ink_of(request: dict[str, Any]) -> np.ndarray:
    """bool (32, 32). BadRequest."""
    ink = request.get("ink")
    if not isinstance(ink, str) or len(ink) != SIDE * SIDE or not set(ink) <= {"0", "1"}:
        raise BadRequest(f"ink must be a text of {SIDE * SIDE} characters 0 or 1, the drawing row by row")
    return np.array([character == "1" for character in ink]).reshape(SIDE, SIDE)


def as_the_data(ink: np.ndarray) -> np.ndarray:
    """A drawing, bool (32, 32), as the data set has its digits: uint8 (28, 28).

    As there, the digit fills its bitmap, each 8x8 pixel counts the ink of a block of 4x4, and the counts are resized.
    """
    counts = filling(ink).reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK).sum((1, 3))
    return np.rint(255 * resize_bilinear(counts[None] / WHITE, 28)[0]).astype(np.uint8)


def filling(ink: np.ndarray) -> np.ndarray:
    """The drawing, as large as fits and in the middle."""
    if not ink.any():
        return ink
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = SIDE / max(cut.shape)
    height, width = (max(1, round(n * scale)) for n in cut.shape)
    grown = cut[(np.arange(height) / scale).astype(int).clip(max=len(cut) - 1)]
    grown = grown[:, (np.arange(width) / scale).astype(int).clip(max=cut.shape[1] - 1)]
    out = np.zeros((SIDE, SIDE), bool)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    out[top : top + height, left : left + width] = grown
    return out
