"""``python -m parity``: minitorch held against torch, case by case, with torch's own test inputs."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from . import dropin
from .choices import CHECKS, DTYPES, LAYOUTS, NARROW
from .guard import NoTorch, cuda_missing, real_torch
from .scripts import coverage, recorder, scan
from .scripts import run as scripts_run

DIFFERS, NO_TORCH, SKIPPED = 1, 3, 4
TIERS = ("core", "stretch", "all")


def listed(choices: tuple[str, ...]):
    """An option that takes one or several of ``choices``, separated by commas; ``all`` takes every one."""

    def parse(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
        if value is None:
            return None
        names = choices if value == "all" else tuple(value.split(","))
        if wrong := set(names) - set(choices):
            raise click.BadParameter(f"{', '.join(sorted(wrong))}: choose from {', '.join(choices)}")
        return names

    return parse


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--ops", metavar="NAMES", help="Operations, separated by commas; * is allowed: 'add,nn.functional.*'.")
@click.option("--tier", type=click.Choice(TIERS), help="A list of targets; what minitorch lacks shows as missing.")
@click.option("--dtype", callback=listed(DTYPES), help="Comma-separated, or 'all'. Default: float64,float32.")
@click.option("--check", callback=listed(CHECKS), help=f"Comma-separated from {','.join(CHECKS)}. Default: all.")
@click.option("--layouts", callback=listed(LAYOUTS), help="Also run every sample in awkward memory: 'all' or a list.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where torch runs.")
@click.option("--samples", type=click.IntRange(1), metavar="N", help="At most N samples of each operation and dtype.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first difference.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write everything to FILE.")
@click.option("--html", "html_path", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to FILE.")
@click.option("--quiet", is_flag=True, help="Only the failures and the last line.")
@click.pass_context
def main(context: click.Context, **options) -> None:
    """Run torch's own test cases on minitorch and on torch, and report what differs.

    Without options: every operation that minitorch has, in float64 and float32: values, gradients, second gradients,
    forward mode, methods, in-place forms and errors.

    Ends with 0 when everything agrees, 1 when something differs or is missing, 3 when there is no PyTorch to compare
    with, 4 when the device is not there and everything was skipped.
    """
    if context.invoked_subcommand is None:
        sys.exit(run_opinfo(**options))


def run_opinfo(
    *, ops, tier, dtype, check, layouts, device, samples, jobs, fail_fast, json_path, html_path, quiet
) -> int:  # fmt: skip
    """The body of the command; returns the exit code."""
    console = Console()
    try:
        real_torch()
        reason = cuda_missing() if device == "cuda" else None
        if reason:
            console.print(f"skipped: --device cuda: {reason}", style="yellow", markup=False)
            return SKIPPED
        from . import database, report, run  # loads torch's test database
    except NoTorch as error:
        console.print(str(error), style="bold red", markup=False)
        return NO_TORCH
    names = database.select(tier, ops.split(",") if ops else [])
    if not names:
        console.print(f"no operation matches {ops!r} in tier {tier or 'all'}", style="bold red", markup=False)
        return DIFFERS
    settings = run.Options(dtype, check or CHECKS, layouts or (), device, samples, fail_fast)
    results = []
    with console.status("parity", spinner="line") as status:
        for result in run.run_all(names, settings, jobs):
            results.append(result)
            status.update(f"{len(results)} of {len(names)}  {result.op}")
            if fail_fast and result.failed:
                break
    if not quiet:
        report.print_table(console, results)
        report.print_known(console, results)
    report.print_failures(console, results)
    if not quiet and tier == "all" and samples is None and check is None and not fail_fast:
        for entry in report.unused(results):
            console.print(f"this exception covered nothing: {entry}", style="yellow", markup=False)
    for path, write in ((json_path, report.write_json), (html_path, report.write_html)):
        if path:
            write(path, results, settings)
    console.print(report.sentence(results), style="bold", markup=False)
    return 0 if all(r.good for r in results) else DIFFERS


@main.command("accuracy")
@click.option("--size", type=click.IntRange(42_000), default=1_000_000, show_default=True, help="Elements per case.")
@click.option(
    "--dtype", callback=listed(NARROW), default="float32", show_default=True, help="Comma-separated, or 'all'."
)
@click.option("--ops", metavar="TEXT", help="Only operations whose name contains this.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write everything to FILE.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where torch runs.")
def accuracy(**options) -> None:
    """Compare rounding errors where they are worst: millions of terms, awkward axes, bad scales, cancellation.

    Ends with 0 when minitorch's error is nowhere more than twice torch's (and one ulp), with 1 otherwise.
    """
    sys.exit(run_hard_cases(**options))


def run_hard_cases(*, size: int, dtype, ops: str | None, json_path: Path | None, device: str) -> int:
    """The body of ``accuracy``; returns the exit code."""
    console = Console()
    try:
        real_torch()
        if device == "cuda":
            reason = cuda_missing() or "these cases compare with torch on the CPU"
            console.print(f"skipped: --device cuda: {reason}", style="yellow", markup=False)
            return SKIPPED
        from . import hard_cases  # loads torch
    except NoTorch as error:
        console.print(str(error), style="bold red", markup=False)
        return NO_TORCH
    found = []
    with console.status("accuracy", spinner="line") as status:
        for case in hard_cases.run(size, dtype, ops):
            found.append(case)
            status.update(f"{len(found)}  {case}")
    hard_cases.report(console, found, size)
    if json_path:
        json_path.write_text(json.dumps([dataclasses.asdict(case) for case in found], indent=1))
    return 0 if found and all(case.good for case in found) else DIFFERS


PROGRAM = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@main.command("run", context_settings=PROGRAM)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of all random streams, before the program starts."
)
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_program(seed: int, script: str, arguments: tuple[str, ...]) -> None:
    """Run a program written for torch on torch and on minitorch, and compare call by call.

    Both run the script unchanged, in two processes, from the same seed. First in step: every call on minitorch is given
    torch's numbers, so that a difference is that call's own; the report names the first whose result is off by more
    than rounding. Then minitorch on its own: its losses are held beside torch's, and where they are off by more than
    some roundings, beside those of torch with every parameter one unit in the last place off.

    Ends with 0 when the runs are the same, with 1 otherwise, with 3 when there is no PyTorch to compare with.
    """
    console = Console()
    try:
        real_torch()
    except NoTorch as error:
        console.print(str(error), style="bold red", markup=False)
        sys.exit(NO_TORCH)
    found, mine, true = scripts_run.run_both(script, arguments, seed)
    scripts_run.report(console, script, found, mine, true)
    sys.exit(0 if found.same else DIFFERS)


@main.command("dropin", context_settings=PROGRAM)
@click.option("-m", "as_module", is_flag=True, help="SCRIPT is the dotted name of a module, as for `python -m`.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_on_minitorch(as_module: bool, script: str, arguments: tuple[str, ...]) -> None:
    """Run a program written for torch on minitorch: in it `import torch` imports minitorch.

    The program runs as if Python had been called with it, with its own arguments, output and exit code.
    """
    dropin.install()
    try:
        dropin.run_program(script, arguments, as_module=as_module)
    except Exception as error:
        dropin.explain(error)
        raise


@main.command("scan")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--missing", is_flag=True, help="Only what minitorch lacks.")
def scan_programs(path: Path, missing: bool) -> None:
    """List the names of torch that the programs at PATH (a file or a folder) use, without running them.

    Ends with 0 when minitorch has them all, with 1 otherwise.
    """
    sys.exit(run_scan(path, missing))


def run_scan(path: Path, missing: bool) -> int:
    """The body of ``scan``."""
    console = Console()
    uses, failed = scan.scan(path)
    lacking = [use for use in uses if not use.supported]
    table = Table("name", "minitorch", "used", "first")
    for use in lacking if missing else uses:
        file, line = use.places[0]
        verdict = "yes" if use.supported else "no (if it is Tensor's)" if use.guessed else "no"
        style = None if use.supported else "red"
        table.add_row(use.name, verdict, str(len(use.places)), f"{os.path.relpath(file)}:{line}", style=style)
    if table.row_count:
        console.print(table)
    for file, why in failed.items():
        console.print(f"{file} could not be read: {why}", style="yellow", markup=False)
    console.print(f"{len(uses) - len(lacking)} of {len(uses)} names are in minitorch", style="bold", markup=False)
    return DIFFERS if lacking else 0


@main.command("coverage")
@click.option("--write", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to FILE.")
@click.option("--missing", is_flag=True, help="Only what minitorch lacks.")
def show_coverage(path: Path | None, missing: bool) -> None:
    """List the names of torch that real programs use, how many repositories use each, and whether minitorch has it."""
    console = Console()
    if path is not None:
        path.write_text(coverage.page())
    names = coverage.surface()
    table = Table("name", "repositories", "minitorch")
    for name in sorted(names, key=lambda n: -n.repositories):
        if not (missing and name.present):
            table.add_row(name.name, str(name.repositories), "yes" if name.present else "no")
    if path is None:
        console.print(table)
    for title, chosen in (("used by three or more repositories", coverage.OFTEN), ("all", 0)):
        present, total = coverage.share(n for n in names if n.repositories >= chosen)
        console.print(f"{title}: {present} of {total} ({present / total:.1%})", markup=False)


@main.command("record", hidden=True, context_settings=PROGRAM)
@click.argument("role", type=click.Choice(["lead", "follow", "free"]))
@click.argument("library", type=click.Choice(["torch", "minitorch"]))
@click.argument("stream")
@click.argument("found", type=click.Path(path_type=Path))
@click.argument("seed", type=int)
@click.argument("nudge")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def record(
    role: str, library: str, stream: str, found: Path, seed: int, nudge: str, script: str, arguments: tuple[str, ...]
) -> None:
    """One run of `run`; "-" stands for no STREAM and for no NUDGE."""
    recorder.record(
        role, library, script, arguments,
        None if stream == "-" else Path(stream), found, seed, None if nudge == "-" else int(nudge),
    )  # fmt: skip


if __name__ == "__main__":
    main()
