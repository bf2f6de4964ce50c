"""Break every rule, dtype rule and boundary in `minitorch/ops/`, one at a time, and see whether a test turns red.

    python -m tests.mutate --map              which tests run which lines (once; it runs the whole suite)
    python -m tests.mutate                    every mutant; ends non-zero below 95 % caught
    python -m tests.mutate --only softmax     the mutants of one file

A mutant is the module with one change in its syntax tree:

    rule       the gradient that a rule returns is negated, or comes out a quarter too large
    dtype      the operation's dtype rule is exchanged for its neighbour
    boundary   < becomes <=, > becomes >=, and the other way round

Tools that mutate source files skip decorated functions, and so every operation here; and they start the tests afresh
for each mutant. Here one process imports torch and its test database and forks for every mutant. The child imports
minitorch with the changed module and runs the tests that run the changed line, until the first that fails.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).parent.parent
OPS = ROOT / "minitorch" / "ops"
MAP = ROOT / ".mutation_map"
MOST_TESTS = 60  # that are tried on one mutant
SECONDS = 180  # after which a mutant counts as caught: it hangs

NEIGHBOUR = {"PROMOTE": "FLOAT", "FLOAT": "PROMOTE", "COMPARE": "PROMOTE", "DIFFERENCE": "PROMOTE", "SAME": "KEEP", "SUM": "SAME"}  # fmt: skip
OTHER_SIDE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}


@dataclass
class Mutant:
    """One change: `node` (found again by its number in the walk) is what changes, `lines` the lines that run it."""

    file: str
    line: int
    kind: str
    text: str
    tree: ast.Module = field(repr=False)
    lines: set[int] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}: {self.text}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    tree = ast.parse(path.read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    seen: set[int] = set()
    for number, node in enumerate(ast.walk(tree)):
        for kind, text, change, lines in changes(node, functions, seen):
            mutated = copy.deepcopy(tree)
            change(list(ast.walk(mutated)), number)
            ast.fix_missing_locations(mutated)
            yield Mutant(path.name, min(lines), kind, text, mutated, lines)


def changes(node: ast.AST, functions: dict[str, ast.FunctionDef], seen: set[int]):
    """(kind, text, change, lines) for every way to break `node`. change: a function of the copied tree's nodes."""
    if isinstance(node, ast.FunctionDef):
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "op":
                yield from dtype_changes(node, decorator)
    if isinstance(node, ast.keyword) and node.arg in ("vjp", "jvp") and isinstance(node.value, ast.Call):
        for rule in node.value.keywords:
            yield from rule_changes(rule, functions, seen)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OTHER_SIDE:
        other = OTHER_SIDE[type(node.ops[0])]()

        def change(nodes, number):
            nodes[number].ops = [other]

        yield "boundary", f"{ast.unparse(node)}  ->  {ast.unparse(compared(node, other))}", change, span(node)


def compared(node: ast.Compare, operator: ast.cmpop) -> ast.Compare:
    return ast.Compare(node.left, [operator], node.comparators)


def dtype_changes(function: ast.FunctionDef, decorator: ast.Call):
    for place, keyword in enumerate(decorator.keywords):
        found = getattr(keyword.value, "id", None)
        if keyword.arg == "dtype" and found in NEIGHBOUR:

            def change(nodes, number, place=place, found=found):
                call = next(d for d in nodes[number].decorator_list if getattr(d.func, "id", "") == "op")
                call.keywords[place].value = ast.Attribute(imported_promote(), NEIGHBOUR[found], ast.Load())

            body = function.body[1:] or function.body
            lines = set().union(*[span(statement) for statement in body])
            yield "dtype", f"{function.name}: {found}  ->  {NEIGHBOUR[found]}", change, lines


def imported_promote() -> ast.expr:
    """The module of the dtype rules, whatever the mutated file imports of it."""
    return ast.parse("__import__('minitorch.core.promote', fromlist=['x'])", mode="eval").body


def rule_changes(rule: ast.keyword, functions: dict[str, ast.FunctionDef], seen: set[int]):
    """Of a lambda its result; of a function named in the table each value it returns, once however often it is named."""
    if isinstance(rule.value, ast.Lambda):
        places = [(rule.value, "body")]
    else:
        named = functions.get(getattr(rule.value, "id", ""))
        if named is None or id(named) in seen:
            return
        seen.add(id(named))
        returns = [n for n in ast.walk(named) if isinstance(n, ast.Return) and not empty(n.value)]
        places = [(n, "value") for n in returns]
    for owner, slot in places:
        value = getattr(owner, slot)
        if empty(value):
            continue
        for text, wrap in (("-({})", negated), ("({}) * 1.25", enlarged)):

            def change(nodes, number, owner=owner, slot=slot, wrap=wrap):
                twin = next(n for n in nodes if type(n) is type(owner) and place_of(n) == place_of(owner))
                setattr(twin, slot, wrap(getattr(twin, slot)))

            yield "rule", f"{rule.arg}: {text.format(ast.unparse(value))}", change, span(value)


def empty(value: ast.expr | None) -> bool:
    """Nothing to break: no gradient, or zeros, which stay zeros."""
    if isinstance(value, ast.Call):
        return getattr(value.func, "id", "") == "zeros_as"
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def place_of(node) -> tuple:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def negated(value: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), value)


def enlarged(value: ast.expr) -> ast.expr:
    return ast.BinOp(value, ast.Mult(), ast.Constant(1.25))


def span(node) -> set[int]:
    return set(range(node.lineno, node.end_lineno + 1))


# Which tests run a line.


def make_map() -> None:
    """Run the suite under coverage.py, which takes down for every line the tests that ran it."""
    command = [sys.executable, "-m", "pytest", "-q", "--cov=minitorch/ops", "--cov-context=test", "--cov-report="]
    subprocess.run(command, env=os.environ | {"COVERAGE_FILE": str(MAP)}, cwd=ROOT, check=False)


class Tests:
    """For every line of `ops/` the tests that run it, those of single operations first: they are quick."""

    def __init__(self) -> None:
        from coverage import CoverageData

        self.data = CoverageData(str(MAP))
        self.data.read()
        self.measured = {Path(name).name: name for name in self.data.measured_files()}
        self.known: dict[str, dict[int, list[str]]] = {}

    def of(self, mutant: Mutant) -> list[str]:
        if mutant.file not in self.known:
            self.known[mutant.file] = self.data.contexts_by_lineno(self.measured[mutant.file])
        by_line = self.known[mutant.file]
        contexts = {c for line in mutant.lines for c in by_line.get(line, ())}
        return sorted({c.rsplit("|", 1)[0] for c in contexts if c.endswith("|run")}, key=_cost)


def _cost(test: str) -> tuple:
    order = (
        "test_parity.py",
        "test_ops",
        "test_promotion",
        "test_creation",
        "test_random",
        "test_views",
        "test_properties",
    )
    return next((i for i, part in enumerate(order) if part in test), len(order)), test


# One mutant.


class Mutated(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Finds one module of `ops` and loads it from the mutant's tree."""

    def __init__(self, mutant: Mutant) -> None:
        self.target = f"minitorch.ops.{Path(mutant.file).stem}"
        self.mutant = mutant
        super().__init__(self.target, str(OPS / mutant.file))

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.target else None

    def get_code(self, fullname):
        return compile(self.mutant.tree, self.path, "exec")


OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "--no-cov", "-W", "ignore::pytest.PytestAssertRewriteWarning"]


def judge(mutant: Mutant, tests: list[str]) -> str:
    """In the child: "caught" or "survived"."""
    sys.meta_path.insert(0, Mutated(mutant))
    import pytest

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = pytest.main([*OPTIONS, *tests])
        except BaseException:  # it cannot even be imported
            return "caught"
    return "survived" if code in (0, 5) else "caught"


def forked(mutant: Mutant, tests: list[str]) -> tuple[int, int]:
    """(process, pipe to read its verdict from)"""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    os.setsid()
    os.write(writing, judge(mutant, tests).encode())
    os._exit(0)


def verdicts(mutants: list[Mutant], tests: Tests, jobs: int) -> Iterator[tuple[Mutant, str]]:
    running: dict[int, tuple[int, Mutant, float]] = {}
    waiting = list(reversed(mutants))
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            chosen = tests.of(mutant)
            if not chosen:
                yield mutant, "not run"
                continue
            process, pipe = forked(mutant, chosen[:MOST_TESTS])
            running[pipe] = process, mutant, time.monotonic()
        ready = set(select.select(list(running), [], [], 1.0)[0])
        for pipe, (process, mutant, since) in list(running.items()):
            late = time.monotonic() - since > SECONDS
            if pipe not in ready and not late:
                continue
            verdict = os.read(pipe, 100).decode() if pipe in ready else "caught"  # nothing at all: it crashed
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(pipe)
            del running[pipe]
            yield mutant, verdict or "caught"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--map", "remap", is_flag=True, help="Run the suite and take down which tests run which lines.")
@click.option("--only", default="", help="Files whose name contains this.")
@click.option("--kind", default="rule,dtype,boundary", show_default=True, help="Kinds of mutants.")
@click.option("--every", default=1, show_default=True, help="Take one mutant in so many.")
@click.option("--jobs", default=1, show_default=True, help="Mutants at a time.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the verdicts to FILE."
)
def main(remap: bool, only: str, kind: str, every: int, jobs: int, json_path: Path | None) -> None:
    """Break minitorch in many places, one at a time, and count how often a test turns red."""
    if remap:
        return make_map()
    if not MAP.exists():
        raise click.ClickException("no map of the tests yet: run `python -m tests.mutate --map` first")
    kinds = kind.split(",")
    mutants = [m for path in sorted(OPS.glob("*.py")) if only in path.name for m in mutants_of(path) if m.kind in kinds]
    mutants = mutants[::every]
    import_all()
    tests = Tests()
    check_control(tests, jobs)
    found = []
    for mutant, verdict in track(
        verdicts(mutants, tests, jobs), "mutants", total=len(mutants), console=Console(stderr=True)
    ):
        found.append((mutant, verdict))
        if verdict != "caught":
            print(f"{verdict}: {mutant}", flush=True)
    report(found, kinds)
    if json_path:
        rows = [{"file": m.file, "line": m.line, "kind": m.kind, "change": m.text, "verdict": v} for m, v in found]
        json_path.write_text(json.dumps(rows, indent=1) + "\n")
    caught = sum(verdict == "caught" for _, verdict in found)
    sys.exit(caught < 0.95 * len(found))


def check_control(tests: Tests, jobs: int) -> None:
    """An unchanged module must survive: else every mutant would count as caught."""
    for path in sorted(OPS.glob("*.py")):
        mutant = next(mutants_of(path), None)
        if mutant is not None and tests.of(mutant):
            unchanged = Mutant(path.name, mutant.line, "none", "nothing", ast.parse(path.read_text()), mutant.lines)
            if [verdict for _, verdict in verdicts([unchanged], tests, jobs)] != ["survived"]:
                raise click.ClickException(f"{path.name} without any change: a test fails")
            return


def import_all() -> None:
    """What every child needs and no mutant changes, once."""
    import hypothesis.extra.numpy  # noqa: F401
    import numba  # noqa: F401
    import pytest  # noqa: F401
    import torch
    import torch.testing._internal.common_methods_invocations  # noqa: F401

    torch.set_num_threads(1)
    loaded = [name for name in sys.modules if name.split(".")[0] in ("minitorch", "parity")]
    if loaded:
        raise click.ClickException(f"{loaded[0]} is imported already: its mutants would not be seen")


def report(found: list[tuple[Mutant, str]], kinds: list[str]) -> None:
    table = Table("kind", "mutants", "caught", "survived", "not run", "caught %")
    for kind in [*kinds, "all"]:
        seen = [verdict for mutant, verdict in found if kind in (mutant.kind, "all")]
        counts = [seen.count(v) for v in ("caught", "survived", "not run")]
        share = f"{100 * counts[0] / len(seen):.1f}" if seen else "-"
        table.add_row(kind, str(len(seen)), *map(str, counts), share)
    Console().print(table)


if __name__ == "__main__":
    main()
