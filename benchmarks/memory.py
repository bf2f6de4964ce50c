"""Peak memory of the training steps of `train`, each in a fresh process for each library (footprint.py says how)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from .case import Row
from .libraries import OURS
from .networks import NETWORKS
from .timing import figure, ratio
from .train import TOLERANCE

STEPS = 3
BESIDE = ("torch",)


class ChildError(RuntimeError):
    """The measuring process failed."""


def footprint(name: str, library: str, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.footprint", name, library, str(threads), str(STEPS)]
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode:
        lines = child.stderr.strip().splitlines()
        raise ChildError(lines[-1] if lines else f"exit status {child.returncode}")
    return json.loads(child.stdout.splitlines()[-1])


def row(name: str, found: dict[str, list[dict[str, Any]]], failed: dict[str, str]) -> Row:
    """From the footprints of each library, one of each per round."""
    shape = "x".join(map(str, NETWORKS[name].batch))
    made = Row(name, f"{name}, batch {shape}, {NETWORKS[name].optimizer[0]}", {"baseline": {}}, failed=dict(failed))
    for library, footprints in found.items():
        made.figures[library] = figure([float(f["peak"]) for f in footprints])
        made.about["baseline"][library] = footprints[-1]["baseline"]
        made.results[library] = footprints[-1]["losses"]
    for library in made.figures:
        if library != OURS and OURS in made.figures:
            pairs = zip(made.results[OURS], made.results[library], strict=True)
            made.difference[library] = max(abs(a - b) / abs(b) for a, b in pairs)
            if made.difference[library] > TOLERANCE:
                made.failed[library] = f"other losses: {made.results[library]} instead of {made.results[OURS]}"
            else:
                peaks = [[float(f["peak"]) for f in found[side]] for side in (OURS, library)]
                made.ratios[library] = ratio(*peaks)
    return made


def rows(libraries: Iterable[str], threads: int, rounds: int, names: Iterable[str]) -> Iterator[Row]:
    sides = [OURS, *(library for library in libraries if library in BESIDE)]
    for name in names:
        found: dict[str, list[dict[str, Any]]] = {}
        failed: dict[str, str] = {}
        for _ in range(rounds):
            for library in sides:
                if library not in failed:
                    try:
                        found.setdefault(library, []).append(footprint(name, library, threads))
                    except (ChildError, ValueError) as error:
                        failed[library] = f"{type(error).__name__}: {error}"
                        found.pop(library, None)
        yield row(name, found, failed)
