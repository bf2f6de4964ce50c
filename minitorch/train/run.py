"""A run and its folder: checkpoint, history and picture, written while and after training."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from ..io import replacing
from ..kernels.registry import use
from ..kernels.threads import get_num_threads, set_num_threads
from ..viz import draw_training
from .config import TrainConfig
from .console import confusion_matrix, confusion_table, progress
from .images import load_images
from .training import Training, read_run

CHECKPOINT, HISTORY, PICTURE = "checkpoint.safetensors", "history.json", "curves.png"
SECONDS_BETWEEN_SAVES = 20.0


class RunError(ValueError):
    """A run cannot be started or resumed as asked; the message says why."""


class Run:
    """A `Training` with a folder to keep it in and a terminal to show it on."""

    def __init__(self, training: Training, folder: Path):
        self.training = training
        self.folder = folder
        self.saved_at = time.monotonic()

    @classmethod
    def new(cls, config: TrainConfig, out: Path, name: str | None, data_dir: Path | None) -> Run:
        """A run from the start. `DatasetError` for missing data; `RunError` if the folder `out/name` has a run."""
        _select(config)
        data = load_images(config.dataset, data_dir)
        folder = _new_folder(out, name, f"{config.dataset}-{config.model}")
        return cls(Training(config, data), folder)

    @classmethod
    def resume(cls, path: Path, changes: dict[str, Any], data_dir: Path | None) -> Run:
        """The run saved in the folder or checkpoint `path`, with some options changed.

        `CheckpointError` for a damaged checkpoint, `RunError` for one that does not fit.
        """
        checkpoint = path / CHECKPOINT if path.is_dir() else path
        try:
            config, tree = read_run(checkpoint)
        except (ValueError, TypeError) as error:
            raise RunError(f"{checkpoint} cannot be resumed: {error}") from error
        config = replace(config, **changes)
        _select(config)
        training = Training(config, load_images(config.dataset, data_dir))
        try:
            training.restore(tree)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{checkpoint} cannot be resumed: {error}") from error
        return cls(training, checkpoint.parent)

    @property
    def position(self) -> str:
        """How far the run has come, in words."""
        training = self.training
        if training.batch == 0:
            return f"epoch {training.epoch} of {training.config.epochs}"
        return f"step {training.batch} of {training.steps_per_epoch} in epoch {training.epoch + 1}"

    @cached_property
    def console(self) -> Any:
        from rich.console import Console

        return Console(highlight=False)

    def train(self, stop: Callable[[], bool]) -> bool:
        """Train to the end or until `stop()`; the state is saved in either case. Whether the end was reached."""
        self._print_header()
        with progress(self.training, self.console) as lines:

            def after_step() -> bool:
                lines.after_step()
                if time.monotonic() - self.saved_at > SECONDS_BETWEEN_SAVES:
                    self.save()
                return stop()

            def after_epoch() -> None:
                lines.after_epoch()
                self.save()

            finished = self.training.run(after_step, after_epoch)
        self.save()
        return finished

    def save(self) -> None:
        self.training.save(self.folder / CHECKPOINT)
        self.saved_at = time.monotonic()

    def report(self) -> None:
        """Print the accuracy and the confusion matrix of the finished run, write its history and its picture."""
        training, data = self.training, self.training.data
        test = training.evaluate()
        labels, predictions = data.test_labels.numpy(), test.predictions
        accuracy = f"test accuracy {100 * test.accuracy:.1f} %"
        summary = {
            "config": training.config.as_dict(),
            "test_accuracy": test.accuracy,
            "test_loss": test.loss,
            "classes": list(data.classes),
            "confusion_matrix": confusion_matrix(labels, predictions, len(data.classes)).tolist(),
            "epochs": training.history,
        }
        with replacing(self.folder / HISTORY) as temporary:
            temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        config = training.config
        draw_training(
            self.folder / PICTURE,
            f"{config.model} on {config.dataset}, {config.optimizer}, seed {config.seed}: {accuracy}",
            training.history,
            data.test_images.numpy(),
            labels,
            predictions,
            data.classes,
        )
        self.console.print(f"\n[bold]{accuracy}[/] ({int((labels == predictions).sum())} of {len(labels)} images)\n")
        self.console.print(confusion_table(labels, predictions, data.classes))
        self.console.print(f"in {self.folder}: {CHECKPOINT}, {HISTORY}, {PICTURE}")

    def _print_header(self) -> None:
        training, data = self.training, self.training.data
        config = training.config
        parameters = sum(parameter.numel() for parameter in training.model.parameters())
        self.console.print(
            f"{config.model} ({parameters:,} parameters) on {config.dataset}: "
            f"{len(data.train_labels):,} training and {len(data.test_labels):,} test images\n"
            f"{config.optimizer}, learning rate {config.initial_lr:g} ({config.schedule}), "
            f"batches of {config.batch_size}, seed {config.seed}, kernels {config.kernels}, "
            f"threads {get_num_threads()}",
            soft_wrap=True,
        )
        if training.epoch or training.batch:
            self.console.print(f"resumed after {self.position}")


def _select(config: TrainConfig) -> None:
    use(config.kernels)
    # Batches of networks of this size are done before a second thread has woken up.
    set_num_threads(1 if config.threads is None else config.threads)


def _new_folder(out: Path, name: str | None, default: str) -> Path:
    """A folder of its own for the run: `out/name`, or the first of default, default-2, default-3... that is free."""
    if name is not None:
        folder = out / name
        if (folder / CHECKPOINT).exists():
            raise RunError(f"{folder} holds a run already: go on with --resume {folder}, or choose another --name")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    for number in count(1):
        folder = out / (default if number == 1 else f"{default}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable")
