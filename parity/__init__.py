"""minitorch held against torch: torch's own test cases, random programs, and functions of one's own (``check``)."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["check"]


def __getattr__(name: str) -> Any:
    # On first use: torch and Hypothesis take seconds to import, and the pytest plugin is loaded by every run of pytest.
    if name == "check":
        return importlib.import_module(".own_function", __name__).check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
