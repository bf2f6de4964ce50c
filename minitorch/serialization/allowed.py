"""What a file may name besides the things that data need: classes and functions that the program vouches for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

# "module.name" -> the class or function; what a file calls by that name is this.
_vouched: dict[str, Callable] = {}


def named(entry: Callable | tuple[Callable, str]) -> tuple[str, Callable]:
    """(full name, class or function) of an entry, which may give the name that files use as its second part."""
    if isinstance(entry, tuple):
        if len(entry) != 2 or not callable(entry[0]) or not isinstance(entry[1], str):
            raise ValueError(f"Expected a callable, or a tuple of a callable and its full name, got {entry}")
        return entry[1], entry[0]
    if not callable(entry):
        raise TypeError(f"Expected a callable, or a tuple of a callable and its full name, got {entry}")
    return f"{entry.__module__}.{entry.__qualname__}", entry


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Let files that `load` reads with weights_only=True name these classes and functions, and call them."""
    _vouched.update([named(entry) for entry in safe_globals])


def get_safe_globals() -> list[Callable]:
    """What `add_safe_globals` has added."""
    return list(_vouched.values())


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` has added."""
    _vouched.clear()


class safe_globals:
    """`with safe_globals([Config]):`, `add_safe_globals` for a part of a program."""

    def __init__(self, safe_globals: Iterable[Any]) -> None:
        self.added = dict(named(entry) for entry in safe_globals)

    def __enter__(self) -> None:
        self.before = dict(_vouched)
        _vouched.update(self.added)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        _vouched.clear()
        _vouched.update(self.before)


def vouched_by_name(name: str) -> Callable | None:
    """The class or function that goes by this full name, if there is one."""
    return _vouched.get(name)


def is_vouched(value: Any) -> bool:
    """Whether `value` is one of the classes and functions (the same object, whatever it says of itself)."""
    return any(value is known for known in _vouched.values())
