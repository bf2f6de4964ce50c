"""The command line of the benchmarks: `python -m benchmarks --help`."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from .libraries import OTHERS, usable_cores
from .machine import command as typed
from .results import Report, load, merged, save
from .suites import SUITES, Suite, run_suite
from .tables import show_report, show_summary

EXPLAIN = {
    "matmul": "Matrix products: squares, layers of networks, thin shapes, transposed operands.",
    "conv": "Convolutions of well-known networks: forward, input gradient, weight gradient.",
    "ops": "Norms, softmax, losses, pooling, attention, activations, reductions, optimizers, random numbers.",
    "overhead": "The cost of small operations, where the framework itself is what takes the time.",
    "train": "Whole training steps of six networks, equal losses asserted.",
    "memory": "Peak memory of the same training steps, each in a process of its own.",
    "scaling": "Speed over size, at each number of threads.",
}


def stop(signum, frame):
    """Ctrl-C and SIGTERM end a run with what was measured until then; a second one must not disturb its being written."""
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, signal.SIG_IGN)
    raise KeyboardInterrupt


def names(context, parameter, value: str) -> list[str]:
    chosen = [name.strip() for name in value.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in OTHERS]
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(OTHERS)}")
    return chosen


def counts(context, parameter, value: str) -> list[int]:
    try:
        found = sorted({int(part) for part in value.split(",")})
    except ValueError as error:
        raise click.BadParameter("expected numbers, such as 1 or 1,2") from error
    if found[0] < 1 or found[-1] > usable_cores():
        raise click.BadParameter(f"this process may run on {usable_cores()} cores")
    return found


def default_counts() -> str:
    return "1,2" if usable_cores() > 1 else "1"


def file(option: str, name: str, text: str) -> Callable:
    return click.option(option, name, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=text)


def options(several_threads: bool) -> Callable:
    """The options that all commands share."""
    threads = default_counts() if several_threads else "1"

    def decorate(function):
        for option in (
            click.option(
                "--out",
                type=click.Path(file_okay=False, path_type=Path),
                metavar="DIR",
                help="Draw the pictures there.",
            ),
            file("--html", "html", "Write everything as one self-contained page."),
            file("--json", "json", "Write the figures; kept up to date while it runs."),
            click.option("--quick", is_flag=True, help="Fewer rows and rounds: a first impression."),
            click.option(
                "--threads", default=threads, show_default=True, callback=counts, help="Threads of every library."
            ),
            click.option(
                "--against",
                default=",".join(OTHERS),
                show_default=True,
                callback=names,
                help="Libraries to compare with: those of them that are installed and that a suite has rows for.",
            ),
        ):
            function = option(function)
        return function

    return decorate


def terminal() -> Console:
    """Wide enough for the tables where the output is no terminal, but a file or a pipe."""
    return Console(width=None if sys.stdout.isatty() else 150)


def finish(reports: list[Report], console: Console, json: Path | None, html: Path | None, out: Path | None) -> None:
    """Write what was asked for, and end with status 1 if a row failed or the run was interrupted."""
    if json:
        save(reports, json)
        console.print(f"figures: {json}")
    if out or html:
        with tempfile.TemporaryDirectory() as folder:
            from .pictures import draw_all

            pictures = draw_all(reports, out or Path(folder))
            if out:
                console.print(f"pictures: {', '.join(p.name for found in pictures.values() for p in found)} in {out}")
            if html:
                from .page import write_page

                write_page(reports, pictures, html)
                console.print(f"page: {html}")
    if any(report.failures or not report.complete for report in reports):
        sys.exit(1)


def run_children(jobs: list[list[str]], json: Path | None, console: Console) -> list[Report]:
    """Run each command in a process of its own, where its libraries start afresh; returns all that they reported.

    A child that dies leaves what it had saved; an interruption reaches the running one, and no other is started.
    """
    reports: list[Report] = []
    with tempfile.TemporaryDirectory() as folder:
        for i, arguments in enumerate(jobs):
            part = Path(folder) / f"{i}.json"
            child = subprocess.Popen([sys.executable, "-m", "benchmarks", *arguments, "--json", str(part)])
            interrupted = False
            try:
                child.wait()
            except KeyboardInterrupt:
                interrupted = True
                child.terminate()
                child.wait()
            found = load(part) if part.exists() else []
            for report in found:
                report.header["command"] = typed()  # not the one that started the child
            reports += found
            if child.returncode not in (0, 1) or not found:
                console.print(f"{' '.join(arguments)} ended with status {child.returncode}", style="red", markup=False)
            if json and reports:
                save(reports, json)
            if interrupted:
                break
    return reports


def arguments_of(name: str, against: list[str], threads: list[int], quick: bool) -> list[str]:
    flags = ["--against", ",".join(against), "--threads", ",".join(map(str, threads))]
    return [name, *flags, *(["--quick"] if quick else [])]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Measure minitorch against other libraries, side by side in one process.

    Results are compared before they are timed. A ratio is the other library's time over minitorch's: above 1,
    minitorch is faster. docs/benchmarks/README.md says how to read the figures.
    """


def one_count(threads: list[int]) -> int:
    if len(threads) != 1:
        raise click.BadParameter("only `scaling` and `all` take several numbers of threads", param_hint="--threads")
    return threads[0]


def add_command(suite: Suite) -> None:
    """A command that runs the suite in this process."""

    @main.command(suite.name, help=EXPLAIN[suite.name])
    @options(several_threads=False)
    def command(against, threads, quick, json, html, out):
        console = terminal()
        count = one_count(threads)
        report = run_suite(suite, against=against, threads=count, quick=quick, console=console, json_path=json)
        finish([report], console, json, html, out)


for _suite in SUITES.values():
    if _suite.name != "scaling":
        add_command(_suite)


@main.command(help=EXPLAIN["scaling"])
@options(several_threads=True)
def scaling(against, threads, quick, json, html, out):
    console, suite = terminal(), SUITES["scaling"]
    if len(threads) == 1:
        reports = [run_suite(suite, against=against, threads=threads[0], quick=quick, console=console, json_path=json)]
    else:  # most libraries read their number of threads once, when they are loaded
        jobs = [arguments_of("scaling", against, [count], quick) for count in threads]
        reports = merged(run_children(jobs, None, console))
        for report in reports:
            show_summary(console, report)
    finish(reports, console, json, html, out)


@main.command("all")
@options(several_threads=True)
def everything(against, threads, quick, json, html, out):
    """All suites, each in a process of its own: with the first number of threads, and scaling with every one."""
    console = terminal()
    jobs = [arguments_of(name, against, threads if name == "scaling" else threads[:1], quick) for name in SUITES]
    reports = run_children(jobs, json, console)
    finish(reports, console, json, html, out)


@main.command()
@click.option("--only", help="These systems, by name, with commas between.", metavar="NAMES")
@click.option("--threads", default="1", show_default=True, callback=counts, help="Threads of minitorch and torch.")
@file("--json", "json", "Write the rows there; those of systems that are not run stay.")
def systems(only, threads, json):
    """Train the systems of minitorch.models, and hold each to its bar.

    Status 1 if one misses it. Each is trained in a process of its own.
    """
    from .systems.report import measure_all

    if not measure_all(only.split(",") if only else None, one_count(threads), json, terminal()):
        sys.exit(1)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@file("--html", "html", "Write everything as one self-contained page.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Draw the pictures there.")
def report(files, html, out):
    """Show, draw or lay out figures that were measured before: the FILES that --json wrote."""
    console = terminal()
    reports = [found for path in files for found in load(path)]
    for found in reports:
        show_report(console, found)
    finish(reports, console, None, html, out)


if __name__ == "__main__":
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, stop)
    main(prog_name="python -m benchmarks")
