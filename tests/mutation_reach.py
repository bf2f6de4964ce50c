"""Which tests can notice a change in `minitorch/ops/`: those of the public functions nearest above it.

Every top-level statement of `ops/` is a node, and what it names are its edges. From the changed statement the edges
are walked backwards, nearest first, to the public functions; a test belongs to a function that it is parametrized with,
or whose name its source mentions. Last come some random programs, for what happens in place.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from minitorch.core.op import PUBLIC

from .mutants import OPS, Mutant

DATABASE = (
    "test_agrees_with_torch",
    "test_narrow_types",
    "test_whole_numbers",
    "test_boundaries",
    "test_kinks",
    "test_constants_of_functions",
    "test_refused_types",
)  # parametrized with the names of torch's database
CONSTANTS = "test_constants_of_functions"
ORDER = {  # which of them to try first
    "rule": (
        "test_agrees_with_torch",
        "test_kinks",
        "test_whole_numbers",
        "test_boundaries",
        CONSTANTS,
    ),  # narrow: no gradients
    "dtype": (
        "test_narrow_types",
        "test_refused_types",
        "test_agrees_with_torch",
        "test_whole_numbers",
        "test_boundaries",
    ),
    "boundary": (
        "test_boundaries",
        "test_kinks",
        CONSTANTS,
        "test_whole_numbers",
        "test_agrees_with_torch",
        "test_narrow_types",
    ),
}
EDGES = ("test_edge", "test_words")  # their rows take no time, and each is made for one place
NEAREST = 6  # public functions
OTHERS = 16  # tests that are not of the database
Node = tuple[str, int]  # a file and a top-level statement of it


class Reach:
    """The graph, read once."""

    def __init__(self, items) -> None:
        self.trees = {path.name: ast.parse(path.read_text()).body for path in sorted(OPS.glob("*.py"))}
        self.above = self._edges()
        self.public: dict[Node, list[str]] = defaultdict(list)
        for torch_name, function in PUBLIC.items():
            name = torch_name.removeprefix("Tensor.")
            name = name if name.startswith("_") else name.rstrip("_")  # the database has one entry for all forms
            code = getattr(inspect.unwrap(function), "__code__", None)
            code = function.op.reference.__code__ if hasattr(function, "op") else code
            if code is not None and Path(code.co_filename).parent == OPS:
                self.public[self.at(Path(code.co_filename).name, code.co_firstlineno)].append(name)
        self.by_name, self.by_word = _index(items)
        self.programs = [item for item in items if item.originalname == "test_a_thousand_programs"][:1]

    def at(self, file: str, line: int) -> Node:
        body = self.trees[file]
        return file, next(i for i, statement in enumerate(body) if statement.end_lineno >= line)

    def _edges(self) -> dict[Node, set[Node]]:
        defined: dict[tuple[str, str], Node] = {}
        for file, body in self.trees.items():
            for i, statement in enumerate(body):
                for name in _defined(statement):
                    defined[file, name] = file, i
        above: dict[Node, set[Node]] = defaultdict(set)
        for file, body in self.trees.items():
            imported = {
                alias.asname or alias.name: (f"{statement.module}.py", alias.name)
                for statement in body
                if isinstance(statement, ast.ImportFrom) and statement.level == 1 and statement.module
                for alias in statement.names
            }
            for i, statement in enumerate(body):
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name):
                        target = defined.get((file, node.id)) or defined.get(imported.get(node.id, ("", "")))
                        if target is not None and target != (file, i):
                            above[target].add((file, i))
        return above

    def publics(self, mutant: Mutant) -> Iterator[str]:
        """Names of public functions, nearest first; where there is none above, those of the same file."""
        level, seen = [self.at(mutant.file, mutant.line)], set()
        while level:
            following = []
            for node in level:
                if node not in seen:
                    seen.add(node)
                    yield from self.public.get(node, ())
                    following += sorted(self.above.get(node, ()))
            level = following
        yield from (name for node, names in self.public.items() if node[0] == mutant.file for name in names)

    def tests(self, mutant: Mutant) -> list:
        """Items of pytest in the order to try them in."""
        of_database, others = {}, {}
        subject = mutant.text.partition(" ")[0].rstrip(
            ":"
        )  # an operation or a function: what is called alike is nearest
        public = sorted(dict.fromkeys(self.publics(mutant)), key=lambda name: name.rpartition(".")[2] not in subject)
        tested = [name for name in public if self.by_name.get(name)]
        for k, name in enumerate([*tested, *(name for name in public if name not in tested)]):
            if k < NEAREST or not of_database:
                of_database.update((item.nodeid, item) for item in self.by_name.get(name, ()))
        names = [word for name in public[:NEAREST] for word in (name.rpartition(".")[2], f"{name.rpartition('.')[2]}_")]
        for word in (subject, subject.removesuffix("_backward"), *names):
            others.update((item.nodeid, item) for item in self.by_word.get(word, ()))
        kinds = {test: [i for i in of_database.values() if i.originalname == test][:NEAREST] for test in DATABASE}
        nearest = sorted(others.values(), key=lambda item: (subject not in item.name, item.originalname not in EDGES))
        first, *later = [kinds[test] for test in ORDER[mutant.kind]]
        return [*first, *[item for items in later for item in items], *nearest[:OTHERS], *self.programs]


def _defined(statement) -> list[str]:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]


@functools.cache
def _words(function) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", inspect.getsource(function)))


def _index(items) -> tuple[dict, dict]:
    """(tests of the database by torch's name without its variant, the other tests by every word in them)"""
    by_name, by_word = defaultdict(list), defaultdict(list)
    per_function: dict[tuple, int] = defaultdict(int)
    first = ("test_ops_rules", "test_ops_edges", "test_ops", "promotion")  # written for single operations
    for item in sorted(items, key=lambda item: [word not in item.nodeid for word in first]):
        arguments = item.nodeid.partition("[")[2].rstrip("]")
        if item.originalname in DATABASE:
            for name in {arguments, arguments.rpartition(".")[0]} - {""}:
                by_name[name].append(item)
            continue
        in_name = set(re.findall(r"\w+", arguments))
        for word in _words(item.function) | in_name:
            per_function[item.function, word] += 1
            if word in in_name or per_function[item.function, word] <= 4:
                by_word[word].append(item)
    return by_name, by_word
