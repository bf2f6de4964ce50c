"""The command line: `minitorch train`, `minitorch demo`, `minitorch info`, `minitorch kernels compile | tune`, `minitorch check`."""

from __future__ import annotations

import importlib
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .io import CheckpointError
from .train.config import DATASETS, KERNELS, MODELS, OPTIMIZERS, SCHEDULES, TrainConfig
from .train.run import CHECKPOINT, Run, RunError
from .train.training import TrainingDiverged
from .vision.datasets import DatasetError

# What may differ when a run goes on; everything else is part of the result.
CHANGEABLE = ("epochs", "kernels", "threads")
LEARNING_RATES = ", ".join(f"{lr:g} for {name}" for name, (_, lr) in OPTIMIZERS.items())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="minitorch-lab", prog_name="minitorch")
def main() -> None:
    """minitorch: the deep-learning framework you can read."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Failures that the user can do something about end in one message, not in a traceback."""
    try:
        yield
    except (DatasetError, CheckpointError, RunError, TrainingDiverged, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option(
    "--model",
    type=click.Choice(list(MODELS)),
    default=TrainConfig.model,
    show_default=True,
    help="lenet: two convolutions, three linear layers; cifar-quick: three 5x5 convolutions; resnet-8, -20: 16 to 64 "
    "channels, -18: 64 to 512; vgg-11, -16: 16 to 128 channels; mlp: 256 and 128 hidden units; linear: softmax "
    "regression.",
)
@click.option(
    "--dataset",
    type=click.Choice(list(DATASETS)),
    default=TrainConfig.dataset,
    show_default=True,
    help="digits ships with minitorch, shapes is generated; the others are downloaded once.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder in which the data set's files are already; nothing is downloaded.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=TrainConfig.epochs,
    show_default=True,
    help="Passes over the training images.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=TrainConfig.batch_size,
    show_default=True,
    help="Images per step.",
)
@click.option("--optimizer", type=click.Choice(list(OPTIMIZERS)), default=TrainConfig.optimizer, show_default=True)
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help=f"Learning rate.  [default: {LEARNING_RATES}]")
@click.option("--momentum", type=click.FloatRange(min=0), help="Momentum of sgd.  [default: 0.9]")
@click.option("--weight-decay", type=click.FloatRange(min=0), help="Weight decay.  [default: the optimizer's own]")
@click.option(
    "--schedule",
    type=click.Choice(SCHEDULES),
    default=TrainConfig.schedule,
    show_default=True,
    help="How the learning rate goes on: down to 0 along a cosine, or unchanged.",
)
@click.option(
    "--shift",
    type=click.IntRange(min=0),
    default=TrainConfig.shift,
    show_default=True,
    help="Move each training batch by up to so many pixels at random; 0 for not at all.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=TrainConfig.seed,
    show_default=True,
    help="Seed of the initial weights, the order of the images and the shifts.",
)
@click.option(
    "--kernels",
    type=click.Choice(KERNELS),
    default=TrainConfig.kernels,
    show_default=True,
    help="numba: compiled kernels, numpy: the references, auto: the faster one for each size.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads to compute with.  [default: 1, the fastest for networks of this size]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder for the results of all runs.",
)
@click.option("--name", help="Name of this run's folder in OUT.  [default: from data set and model, numbered]")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, exists=True),
    help="Go on with a run: its folder or its checkpoint. Its options are kept; "
    "only --epochs, --kernels, --threads and --data-dir can be given.",
)
@click.pass_context
def train(
    context: click.Context, data_dir: Path | None, out: Path, name: str | None, resume: Path | None, **options: Any
) -> None:
    """Train a model on images and write a checkpoint, the history and a picture to OUT/NAME.

    Ctrl-C stops after the current step and saves; a resumed run ends as if it had never been stopped.
    """
    with plain_errors():
        if resume is None:
            try:
                config = TrainConfig(**options)
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            run = Run.new(config, out, name, data_dir)
        else:
            run = Run.resume(resume, _changes(context), data_dir)
        with stop_on_signal() as stopped:
            finished = run.train(lambda: stopped() is not None)
        if finished:
            run.report()
            return
    arguments = ["train", "--resume", str(run.folder / CHECKPOINT)]
    if data_dir is not None:
        arguments += ["--data-dir", str(data_dir)]
    program = context.find_root().info_name or "minitorch"
    click.echo(f"stopped after {run.position}; saved. Go on with:\n  {program} {shlex.join(arguments)}")
    context.exit(128 + (stopped() or 0))


def _changes(context: click.Context) -> dict[str, Any]:
    """The options given beside --resume; UsageError for those that would make it another run."""
    given = {
        name for name in context.params if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    } - {"resume", "data_dir"}
    if fixed := sorted(given.difference(CHANGEABLE)):
        names = ", ".join("--" + name.replace("_", "-") for name in fixed)
        raise click.UsageError(f"{names} cannot be changed when a run is resumed: it would be another run")
    return {name: context.params[name] for name in given}


@contextmanager
def stop_on_signal() -> Iterator[Any]:
    """Within: Ctrl-C or a termination request is remembered (a function tells which); a second one acts at once."""
    received: list[int] = []

    def remember(number: int, frame: Any) -> None:
        received.append(number)
        signal.signal(number, before[number])

    signals = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Any] = {number: signal.signal(number, remember) for number in signals}
    try:
        yield lambda: received[0] if received else None
    finally:
        for number in signals:
            signal.signal(number, before[number])


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: a free one]")
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser, or only print its address.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, exists=True),
    help="A run of `minitorch train --model lenet --dataset digits`, its folder or its checkpoint, instead of training one.",
)
def demo(port: int, browser: bool, checkpoint: Path | None) -> None:
    """Show models at work on a local page: draw a digit, see attention, move the thresholds of a detector.

    They are trained when the page is first started, which takes about a minute, and kept in the cache folder. Ctrl-C ends
    it.
    """
    import webbrowser

    from .demo import Demo
    from .demo.attention import Attention
    from .demo.boxes import Boxes
    from .demo.digits import Digits

    if checkpoint is not None and checkpoint.is_dir():
        checkpoint = checkpoint / CHECKPOINT
    with plain_errors():
        page = Demo([Digits(checkpoint), Attention(), Boxes()], port)
    with stop_on_signal() as stopped:
        page.start()
        click.echo(f"{page.url}  (Ctrl-C ends it)")
        if browser:
            webbrowser.open(page.url)
        while stopped() is None:
            time.sleep(0.1)
        page.close()
    click.echo("stopped")


@main.command()
def info() -> None:
    """Show versions, processor, BLAS, threads, kernels and caches."""
    from .info import print_info

    print_info()


@main.group()
def kernels() -> None:
    """The compiled kernels."""


@kernels.command("compile")
def compile_kernels() -> None:
    """Compile all kernels ahead, so that no program has to wait for it, and show how long each took."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from .kernels import compile_all

    console = Console(highlight=False)
    table = Table("kernel", "dtype", "seconds", "", box=box.SIMPLE)
    start = time.perf_counter()
    try:
        with console.status("") as status:
            for name, dtype, seconds, cached in compile_all(lambda kernel: status.update(f"compiling {kernel}")):
                table.add_row(name, dtype, f"{seconds:.2f}", "was compiled already" if cached else "compiled")
    except ImportError as error:
        raise click.ClickException(f"the kernels need Numba, which cannot be imported: {error}") from error
    console.print(table)
    console.print(f"all kernels in {time.perf_counter() - start:.1f} s")


@kernels.command("tune")
@click.option("--write", is_flag=True, help="Put the limits that were found into minitorch/kernels/crossovers.py.")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=9, show_default=True, help="How often each side is timed."
)
def tune_kernels(write: bool, rounds: int) -> None:
    """Measure from what size on which kernel is the fastest, both ways at every limit, on one thread."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    try:
        from .kernels import crossovers, set_num_threads, tune
    except ImportError as error:
        raise click.ClickException(f"the kernels need Numba, which cannot be imported: {error}") from error
    set_num_threads(1)
    console, limits = Console(highlight=False), {}
    for name in tune.LIMITS:
        with console.status(f"measuring {name}"):
            rows, limits[name] = tune.measure(name, rounds)
        table = Table("size", "below the limit, us", "from it on, us", "ratio", box=box.SIMPLE)
        for row in rows:
            table.add_row(
                str(row.size), f"{row.below * 1e6:.1f}", f"{row.above * 1e6:.1f}", f"{row.below / row.above:.2f}"
            )
        console.print(f"{name} = {limits[name]} (in the table: {getattr(crossovers, name)})", table)
    if write:
        text = tune.written(limits)
        Path(crossovers.__file__).write_text(text)
        console.print(f"written to {crossovers.__file__}")


@main.command()
@click.argument("chapter")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def check(context: click.Context, chapter: str, file: Path) -> None:
    """Try the functions in FILE that solve exercises of a CHAPTER (01, 02, ...) of the documentation.

    Each is run on inputs that are made up; the smallest ones for which it goes wrong are shown. Ends with 0 when every
    function that FILE has is right, with 1 otherwise.
    """
    try:
        school: Any = importlib.import_module("parity.exercises")  # outside minitorch: it needs Hypothesis
    except ImportError as error:
        raise click.ClickException(
            f"the exercises need the extra `parity` of minitorch-lab, which is not installed here ({error})"
        ) from error
    try:
        exercises = school.exercises(chapter)
    except KeyError as error:
        raise click.UsageError(error.args[0]) from error
    try:
        functions = vars(school.load(file))
    except Exception as error:  # whatever a student's file may raise
        raise click.ClickException(f"{file} could not be run: {type(error).__name__}: {error}") from error
    if not any(exercise.name in functions for exercise in exercises):
        names = ", ".join(exercise.name for exercise in exercises)
        raise click.ClickException(f"{file} has none of the functions of chapter {chapter}: {names}")
    solved, wrong = 0, False
    for exercise in exercises:
        if exercise.name in functions:
            trial = school.attempt(exercise, functions[exercise.name])
            click.echo(str(trial))
            solved += trial.solved
            wrong |= not trial.solved
        else:
            click.echo(f"{exercise.name}: not written yet")
    click.echo(f"{solved} of {len(exercises)} solved")
    context.exit(int(wrong))


if __name__ == "__main__":
    main()
