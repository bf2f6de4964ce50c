"""What a report must say about where and how it was measured."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .libraries import OURS, Library, usable_cores, version

# Variables that change which kernels run, or in how many threads.
TELLING = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUM_CPU_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_THREAD_TIMEOUT",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NPY_DISABLE_CPU_FEATURES",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
    "KMP_AFFINITY",
    "MALLOC_ARENA_MAX",
    "LD_PRELOAD",
    "XLA_FLAGS",
    "DEV",
    "BEAM",
)


def cpu_model() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def caches() -> dict[str, int]:
    """Bytes of each level of the first core's data caches, e.g. {"L1": 32768, "L2": 524288}; empty if unknown."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            if (index / "type").read_text().strip() != "Instruction":
                size = (index / "size").read_text().strip()
                factor = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(size[-1], 1)
                found[f"L{(index / 'level').read_text().strip()}"] = int(size.rstrip("KMG")) * factor
        except (OSError, ValueError):
            continue
    return found


def memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def blas() -> list[str]:
    """Every BLAS that is loaded, as it names itself, with the kernels that it chose."""
    import threadpoolctl

    return [
        " ".join(str(pool.get(key) or "") for key in ("internal_api", "version", "architecture")).strip()
        + f", {pool['num_threads']} threads"
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    ]


def torch_build(torch) -> str:
    """The libraries inside torch, which are linked into it and cannot be asked like a BLAS can."""
    wanted = ("Math Kernel Library", "MKL-DNN", "CPU capability")
    lines = torch.__config__.show().splitlines()
    found = [line.strip(" -") for line in lines if any(w in line for w in wanted) and "BUILD_TYPE" not in line]
    return "; ".join(line.replace("Intel(R) ", "").split(" (Git Hash")[0] for line in found)


def cpu_features() -> str:
    """The vector extensions that matter here."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    return ", ".join(name for name in ("sse4.2", "avx", "fma", "avx2", "avx512f", "neon", "sve") if features.get(name))


def command() -> str:
    """What was typed to start this process."""
    return "python -m benchmarks " + " ".join(sys.argv[1:])


def describe(libraries: Mapping[str, Library], threads: int, missing: Iterable[str]) -> dict[str, Any]:
    """The header of a report. Called after everything is loaded, so that thread counts are read back, not assumed."""
    header: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu_model(),
        "architecture": platform.machine(),
        "vector extensions": cpu_features(),
        "caches": {level: f"{size // 1024} KiB" for level, size in caches().items()},
        "memory": f"{memory_bytes() / 1024**3:.1f} GiB",
        "system": platform.platform(terse=True),
        "cores of the machine": os.cpu_count(),
        "cores this process may use": usable_cores(),
        "threads": threads,
        "threads read back": {name: library.threads() for name, library in libraries.items()},
        "python": platform.python_version(),
        "versions": {name: version(name) for name in (OURS, "numpy", "numba", "llvmlite")}
        | {name: version(name) for name in libraries},
        "not installed": list(missing),
        "BLAS": blas(),
        "NumPy built for": ", ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])),
        "environment": {key: os.environ[key] for key in TELLING if key in os.environ},
        "command": command(),
    }
    if "torch" in libraries:
        header["inside torch"] = torch_build(libraries["torch"].module)
    return header


def load_average() -> float | None:
    """How many processes wanted a core in the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
