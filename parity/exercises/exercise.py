"""How an exercise is declared."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Exercise:
    """A function to be written: its statement, a solution, the inputs it is tried on, and a mistake often made."""

    reference: Callable
    inputs: SearchStrategy[dict[str, Any]]
    mistake: Callable
    within: float

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def statement(self) -> str:
        """In MyST."""
        return inspect.getdoc(self.reference) or ""

    @property
    def solution(self) -> str:
        """The reference's code, less decorator and docstring."""
        source = textwrap.dedent(inspect.getsource(self.reference))
        function = ast.parse(source).body[0]
        assert isinstance(function, ast.FunctionDef)
        lines = source.splitlines()
        documented = isinstance(function.body[0], ast.Expr) and self.reference.__doc__ is not None
        body = function.body[1 if documented else 0]
        return "\n".join(lines[function.lineno - 1 : function.body[0].lineno - 1] + lines[body.lineno - 1 :]).rstrip()


def exercise(
    inputs: SearchStrategy[dict[str, Any]] | None = None,
    *,
    mistake: Callable,
    within: float = 1e-5,
    **arguments: SearchStrategy,
) -> Callable[[Callable], Exercise]:
    """Above the solution, whose docstring is the statement.

    arguments: a strategy for each argument; or `inputs`, a strategy of dictionaries, where one depends on another.
    mistake: a wrong solution, which the tests hold the inputs to: they must find it out. within: the difference allowed,
    relative above 1, absolute below.
    """

    def declare(reference: Callable) -> Exercise:
        return Exercise(reference, st.fixed_dictionaries(arguments) if inputs is None else inputs, mistake, within)

    return declare


def checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for one call, which may change them without harm to the next."""
    return {name: value.clone() if hasattr(value, "clone") else value for name, value in arguments.items()}
