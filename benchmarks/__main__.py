"""The command line of the benchmarks: `python -m benchmarks overhead [--json FILE] [--quick]`."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Measure minitorch against torch, side by side in one process."""


@main.command()
@click.option("--threads", default=1, show_default=True, help="Threads for both libraries.")
@click.option("--quick", is_flag=True, help="Fewer rounds: a first impression.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to FILE.")
def overhead(threads: int, quick: bool, json_path: Path | None):
    """The cost of small operations, where the framework itself is what takes the time."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    import torch

    import minitorch

    from . import machine
    from .overhead import run
    from .report import show
    from .timing import geometric_mean

    torch.set_num_threads(threads)
    minitorch.set_num_threads(threads)
    header = machine.describe(threads) | {"torch_threads": torch.get_num_threads()}
    rows = run(minitorch, torch, rounds=7 if quick else 31)
    mean = geometric_mean([row.ratio for row in rows])
    show("Small operations (torch time / our time; above 1 we are faster)", header, rows, mean)
    if json_path:
        found = {
            "machine": header,
            "rows": [dataclasses.asdict(r) | {"ratio": r.ratio} for r in rows],
            "geometric_mean": mean,
        }
        json_path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
