"""What a run shows in the terminal: a progress bar, and tables at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .training import Training


@contextmanager
def progress(training: Training, console: Any) -> Iterator[ProgressLines]:
    """A bar for the epoch that runs, with loss, accuracy and images/s, and a line for each one that has ended.

    Where the output is no terminal, only the lines.
    """
    from rich.progress import BarColumn, Progress, TextColumn

    # In 80 columns there is room for the numbers and a short bar, and for nothing else.
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[numbers]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        yield ProgressLines(training, bars)


class ProgressLines:
    """One bar for the epoch that runs; a line that stays for each one that has ended."""

    def __init__(self, training: Training, bars: Any):
        self.training, self.bars = training, bars
        self.task = bars.add_task("", total=training.steps_per_epoch, numbers="")

    def after_step(self) -> None:
        running = self.training.running
        self.bars.update(
            self.task,
            description=self._epoch(self.training.epoch + 1),
            completed=self.training.batch,
            numbers=_numbers(running.mean_loss, running.accuracy, running.images_per_second),
        )

    def after_epoch(self) -> None:
        line = self.training.history[-1]
        numbers = _numbers(line["train_loss"], line["train_accuracy"], line["images_per_second"])
        text = f"{self._epoch(line['epoch'])}  {numbers}  test {100 * line['test_accuracy']:.1f} %"
        self.bars.console.print(text, highlight=False)
        self.bars.update(self.task, description="", completed=0, numbers="")

    def _epoch(self, number: int) -> str:
        last = str(self.training.config.epochs)
        return f"epoch {number:>{len(last)}}/{last}"


def _numbers(loss: float, accuracy: float, images_per_second: float) -> str:
    return f"loss {loss:.4f}  accuracy {100 * accuracy:5.1f} %  {images_per_second:6,.0f} images/s"


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes): entry [i, j] counts the images of class i taken for class j."""
    return np.bincount(labels * classes + predictions, minlength=classes * classes).reshape(classes, classes)


def confusion_table(labels: np.ndarray, predictions: np.ndarray, classes: Sequence[str]) -> Any:
    """The confusion matrix as a table: a row per true class, with the share found on the right."""
    from rich import box
    from rich.table import Table

    matrix = confusion_matrix(labels, predictions, len(classes))
    table = Table(title="confusion matrix (rows: true class, columns: predicted)", box=box.SIMPLE, title_justify="left")
    table.add_column("", justify="right", no_wrap=True)
    for index in range(len(classes)):
        table.add_column(classes[index].split(" - ")[0][:6], justify="right", no_wrap=True)
    table.add_column("found", justify="right", no_wrap=True)
    for index, row in enumerate(matrix):
        cells = [_cell(int(count), on_diagonal=index == column) for column, count in enumerate(row)]
        share = f"{100 * row[index] / row.sum():.1f} %" if row.sum() else ""
        table.add_row(classes[index].split(" - ")[-1], *cells, share)
    return table


def _cell(count: int, on_diagonal: bool) -> str:
    if on_diagonal:
        return f"[bold green]{count}[/]"
    return f"[bold red]{count}[/]" if count else "[dim]·[/]"
