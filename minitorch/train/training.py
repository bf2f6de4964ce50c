"""The training loop, and its state: a run can be stopped after any step and go on as if nothing had happened."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.state import no_grad
from ..core.tensor import Tensor
from ..dtypes import float32
from ..generator import default_generator
from ..io import load_checkpoint, save_checkpoint
from ..nn import functional as F
from ..utils.data import DataLoader, TensorDataset
from .config import MODELS, TrainConfig
from .images import ImageData

EVALUATION_BATCH = 256


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number."""


@dataclass
class Running:
    """Sums over the steps of the epoch so far."""

    loss: float = 0.0
    correct: int = 0
    images: int = 0
    seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        return self.loss / max(self.images, 1)

    @property
    def accuracy(self) -> float:
        return self.correct / max(self.images, 1)

    @property
    def images_per_second(self) -> float:
        return self.images / max(self.seconds, 1e-9)


@dataclass
class Evaluation:
    """predictions: int64 (N,)."""

    loss: float
    accuracy: float
    predictions: np.ndarray = field(repr=False)


class Training:
    """A run: model, optimizer, data, and how far it has come (`epoch` whole epochs and `batch` batches of the next)."""

    def __init__(self, config: TrainConfig, data: ImageData):
        self.config = config
        self.data = data
        default_generator.manual_seed(config.seed)
        self.model = MODELS[config.model](data.channels, data.side, len(data.classes))
        self.optimizer = config.make_optimizer(self.model)
        self.loader = DataLoader(
            TensorDataset(data.train_images, data.train_labels), batch_size=config.batch_size, shuffle=True
        )
        self.epoch = self.batch = 0
        self.running = Running()
        self.history: list[dict[str, Any]] = []
        # The random state before the epoch's order was drawn: from it the same order is drawn again after a stop.
        self.random_at_epoch = default_generator.state

    @property
    def steps_per_epoch(self) -> int:
        return len(self.loader)

    @property
    def is_finished(self) -> bool:
        return self.epoch >= self.config.epochs

    def run(self, after_step: Callable[[], bool], after_epoch: Callable[[], None]) -> bool:
        """Train to the end, or until `after_step` returns True after some step. Whether the end was reached.

        `after_epoch` is called when the epoch's line stands in the history. Raises `TrainingDiverged`.
        """
        while not self.is_finished:
            if self.batch == 0:
                self.random_at_epoch = default_generator.state
                batches = iter(self.loader)
            else:
                now = default_generator.state
                default_generator.state = self.random_at_epoch
                batches = iter(self.loader)
                batches.skip(self.batch)
                default_generator.state = now
            self.model.train()
            for images, labels in batches:
                self.step(images, labels)
                if after_step():
                    return False
            self._end_epoch()
            after_epoch()
        return True

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One step of gradient descent on a batch: forward, loss, backward, update."""
        start = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad()
        logits = self.model(self.normalise(random_shift(images.to(float32), self.config.shift)))
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        self.optimizer.step()

        self.batch += 1
        if not math.isfinite(loss.item()):
            raise TrainingDiverged(
                f"the loss is {loss.item()} in epoch {self.epoch + 1}, batch {self.batch}: "
                f"try a smaller learning rate than {self.config.initial_lr:g}"
            )
        self.running.loss += loss.item() * len(labels)
        self.running.correct += int((logits.argmax(1) == labels).sum().item())
        self.running.images += len(labels)
        self.running.seconds += time.perf_counter() - start

    def learning_rate(self) -> float:
        """The rate of step t of T: lr, or lr / 2 (1 + cos(pi t / T)) (Loshchilov, Hutter, SGDR, ICLR 2017)."""
        lr = self.config.initial_lr
        if self.config.schedule == "constant":
            return lr
        done = self.epoch * self.steps_per_epoch + self.batch
        return lr / 2 * (1 + math.cos(math.pi * done / (self.config.epochs * self.steps_per_epoch)))

    def normalise(self, images: Tensor) -> Tensor:
        return (images - self.data.mean) / self.data.std

    def _end_epoch(self) -> None:
        self.epoch, self.batch = self.epoch + 1, 0
        test = self.evaluate()
        self.history.append(
            {
                "epoch": self.epoch,
                "train_loss": self.running.mean_loss,
                "train_accuracy": self.running.accuracy,
                "test_loss": test.loss,
                "test_accuracy": test.accuracy,
                "images_per_second": self.running.images_per_second,
                "seconds": self.running.seconds,
            }
        )
        self.running = Running()

    @no_grad()
    def evaluate(self) -> Evaluation:
        """Loss, accuracy and predictions on the test images."""
        self.model.eval()
        images, labels = self.data.test_images, self.data.test_labels
        loss, predictions = 0.0, []
        for start in range(0, len(labels), EVALUATION_BATCH):
            here = slice(start, start + EVALUATION_BATCH)
            logits = self.model(self.normalise(images[here].to(float32)))
            loss += F.cross_entropy(logits, labels[here], reduction="sum").item()
            predictions.append(logits.argmax(1).numpy())
        predicted = np.concatenate(predictions)
        return Evaluation(loss / len(labels), float((predicted == labels.numpy()).mean()), predicted)

    def save(self, path: str | Path) -> None:
        """Write everything that the rest of the run depends on, atomically."""
        tree = {
            "config": self.config.as_dict(),
            "epoch": self.epoch,
            "batch": self.batch,
            "running": vars(self.running),
            "history": self.history,
            "random": default_generator.state,
            "random_at_epoch": self.random_at_epoch,
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(path, tree)

    def restore(self, tree: dict[str, Any]) -> None:
        """Go on from what `save` wrote and `load_checkpoint` read. KeyError or RuntimeError if it does not fit."""
        self.model.load_state_dict(tree["model"])
        self.optimizer.load_state_dict(tree["optimizer"])
        self.epoch, self.batch = tree["epoch"], tree["batch"]
        self.running = Running(**tree["running"])
        self.history = tree["history"]
        self.random_at_epoch = tree["random_at_epoch"]
        default_generator.state = tree["random"]


def read_run(path: str | Path) -> tuple[TrainConfig, dict[str, Any]]:
    """The options and the whole state of the run saved at `path`. Raises as `load_checkpoint` does, and ValueError."""
    tree = load_checkpoint(path)
    if "config" not in tree or "model" not in tree:
        raise ValueError(f"{path} is no checkpoint of a training run")
    return TrainConfig.from_dict(tree["config"]), tree


def random_shift(images: Tensor, most: int) -> Tensor:
    """The batch moved by up to `most` pixels in each direction, one draw for all of it; what comes in is zero.

    images: (N, C, H, W). Small shifts teach the model that a digit stays the same digit beside its usual place.
    """
    if most == 0:
        return images
    height, width = images.shape[2:]
    down, right = (int(n) for n in default_generator.words(2) % (2 * most + 1))
    padded = F.pad(images, (most, most, most, most))
    return padded[:, :, down : down + height, right : right + width]
