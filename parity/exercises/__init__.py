"""The exercises of the documentation's chapters: text, solution and test in one declaration each.

`chapterNN.py` holds the exercises of chapter NN; the chapter prints them, `minitorch check NN my_file.py` tries a
student's functions on made-up inputs and shows the smallest ones for which they go wrong.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

from .exercise import Exercise, exercise
from .trial import Trial, attempt

__all__ = ["Exercise", "Trial", "attempt", "exercise", "exercises", "load", "numbers"]


def numbers() -> list[str]:
    """The numbers of the chapters that have exercises, as they are written: "01"."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.removeprefix("chapter") for name in modules if name.startswith("chapter"))


def exercises(number: str) -> list[Exercise]:
    """The exercises of a chapter ("1" or "01") in their order; KeyError if it has none."""
    number = number.zfill(2)
    if number not in numbers():
        raise KeyError(f"chapter {number} has no exercises; these have: {', '.join(numbers())}")
    module = importlib.import_module(f"{__name__}.chapter{number}")
    return [found for found in vars(module).values() if isinstance(found, Exercise)]


def load(path: str | Path) -> ModuleType:
    """A student's file as a module; what it prints is printed, what it raises is raised."""
    spec = importlib.util.spec_from_file_location("my_file", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a file of Python (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
