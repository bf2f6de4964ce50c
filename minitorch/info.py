"""What `minitorch info` shows: everything about this machine and installation that results or speed depend on."""

from __future__ import annotations

import os
import platform
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .kernels.registry import KERNELS, current
from .kernels.threads import get_num_threads, physical_cores
from .vision.datasets.download import dataset_home

PACKAGES = (
    "numpy",
    "numba",
    "llvmlite",
    "safetensors",
    "click",
    "rich",
    "matplotlib",
    "pillow",
    "ml_dtypes",
    "threadpoolctl",
)


def print_info() -> None:
    """Print the sections of `collect` as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for title, rows in collect().items():
        table = Table(
            title=title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 2)
        )
        for name, value in rows:
            table.add_row(name, value)
        console.print(table)
        console.print()


def collect() -> dict[str, list[tuple[str, str]]]:
    """title -> [(name, value), ...] of each section."""
    cache = kernel_cache()
    return {
        "versions": [
            ("minitorch", version_of("minitorch-lab")),
            ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
            *((package, version_of(package)) for package in PACKAGES),
        ],
        "machine": [
            ("system", platform.platform()),
            ("processor", processor_name()),
            ("cores", f"{physical_cores()} physical for this process, {os.cpu_count()} logical"),
            ("vectors", ", ".join(_config("SIMD Extensions").get("found", [])) or "unknown"),
        ],
        "BLAS and threads": [
            ("BLAS", blas_name()),
            ("threads", str(get_num_threads())),
            ("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "not set")),
        ],
        "kernels": kernel_rows(cache),
        "caches": [("data sets", _folder(dataset_home())), ("kernels", _folder(cache))],
    }


def version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _config(section: str) -> dict[str, Any]:
    """A section of NumPy's build configuration."""
    return np.show_config(mode="dicts").get(section, {})  # type: ignore


def blas_name() -> str:
    """The BLAS that NumPy calls, as built, and as loaded where threadpoolctl can tell."""
    built = _config("Build Dependencies").get("blas", {})
    name = f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()
    try:
        import threadpoolctl
    except ImportError:
        return name
    loaded = [
        f"{library['internal_api']} {library['version']}, {library['num_threads']} threads"
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]
    return f"{name} ({'; '.join(loaded)})" if loaded else name


def kernel_cache() -> Path | None:
    """The folder of this version's compiled kernels; None without Numba."""
    try:
        from .kernels.jit import cache_folder
    except ImportError:
        return None
    return cache_folder


def kernel_rows(cache: Path | None) -> list[tuple[str, str]]:
    """Which kernels there are, and how many compiled functions of their files lie on the disk."""
    compiled = Counter(path.name.partition(".")[0] for path in cache.rglob("*.nbi")) if cache else Counter()
    rows = [("selection", current() if cache else "numpy (Numba is not installed)")]
    for name, kernel in KERNELS.items():
        ready = compiled[kernel.module]
        state = f"{ready} compiled functions" if ready else "not compiled yet"
        rows.append((name, f"{kernel.module}.py, {state}"))
    return rows


def _folder(path: Path | None) -> str:
    """The path with the number and the size of the files below it."""
    if path is None:
        return "none"
    sizes = [entry.stat().st_size for entry in path.rglob("*") if entry.is_file()]
    return f"{path} ({len(sizes)} files, {sum(sizes) / 1e6:.1f} MB)"
