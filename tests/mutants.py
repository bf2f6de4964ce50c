"""What `python -m tests.mutate` breaks, one thing at a time, in a process where everything is imported already.

    rule       the gradient that an operation's rule gives for one input (or its forward derivative) is negated, or
               comes out a quarter too large; of a rule with several branches each branch is negated as well
    dtype      an operation's dtype rule is exchanged for its neighbour, and its caller made again
    boundary   < becomes <=, > becomes >=, and the other way round

Rules and dtype rules are taken from the REGISTRY, so none can hide from this by the way it is declared. A boundary is
found in the syntax tree of its module; the code of the functions that stem from that place is exchanged in place.
"""

from __future__ import annotations

import ast
import functools
import gc
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType

from minitorch.core import call
from minitorch.core.op import REGISTRY, VIEW, Op
from minitorch.core.promote import COMPARE, DIFFERENCE, FLOAT, FLOATING_ONLY, KEEP, NUMBERS, PROMOTE, SAME, SUM

OPS = Path(call.__file__).parent.parent / "ops"

NEIGHBOUR = {
    PROMOTE: FLOAT,
    FLOAT: PROMOTE,
    COMPARE: FLOAT,
    DIFFERENCE: PROMOTE,
    NUMBERS: PROMOTE,
    FLOATING_ONLY: PROMOTE,
    SAME: KEEP,
    SUM: SAME,
    KEEP: FLOAT,
}
OTHER_SIDE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}

Places = dict[str, set[int]]  # file name -> lines


@dataclass
class Mutant:
    """One change; `apply` makes it in this process for good. `near`: where it runs for certain, `places`: where else."""

    file: str
    line: int
    kind: str
    text: str
    apply: Callable[[], object] = field(repr=False)
    places: Places = field(repr=False)
    near: Places = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Without its line, which other changes move."""
        return f"{self.file} {self.kind}: {self.text}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}: {self.text}"


def all_mutants() -> list[Mutant]:
    """All of them, by file and line."""
    found = [*rule_mutants(), *dtype_mutants()]
    for path in sorted(OPS.glob("*.py")):
        found += tree_mutants(path)
    found.sort(key=lambda mutant: (mutant.file, mutant.line))
    met: dict[str, int] = defaultdict(int)
    for mutant in found:  # one function may compare the same twice
        met[mutant.name] += 1
        if met[mutant.name] > 1:
            mutant.text += f" (number {met[mutant.name]})"
    return found


# Rules.


def declared() -> Iterator[Op]:
    return (op for op in REGISTRY.values() if Path(op.reference.__code__.co_filename).parent == OPS)


def rule_mutants() -> Iterator[Mutant]:
    for op in declared():
        uses = joined(lines_of(op.reference.__code__), naming(op.name))
        for word, table in (("vjp", op.rules), ("jvp", op.jvp)):
            for name, rule in table.items():
                if rule.__name__ in ("zeros_as", "_zeros") or rule.__code__.co_names == (
                    "zeros_as",
                ):  # zeros stay zeros
                    continue
                places = lines_of(rule.__code__)
                for text, factor in (("negated", -1.0), ("times 1.25", 1.25)):
                    change = functools.partial(break_rule, op, word, name, factor)
                    yield Mutant(
                        *start(rule.__code__), "rule", f"{op.name} {word} {name}: {text}", change, places, uses
                    )


def break_rule(op: Op, word: str, name: str, factor: float) -> None:
    table = op.rules if word == "vjp" else op.jvp
    rule = table[name]
    place = op.places.get(name) if word == "vjp" else None

    def broken(*args):
        found = rule(*args)
        if place is None:
            return scaled(found, factor)
        return tuple(scaled(value, factor) if k == place else value for k, value in enumerate(found))

    asked = Op.asked
    Op.asked = staticmethod(lambda given: asked(rule if given is broken else given))  # type: ignore[method-assign]
    table[name] = broken


def scaled(value, factor: float):
    return None if value is None else value * factor


# dtype rules.


def dtype_mutants() -> Iterator[Mutant]:
    for op in declared():
        # What only ever gets gradients gets no integers: there PROMOTE and FLOAT are one.
        other = (
            KEEP if op.dtype in (PROMOTE, FLOAT) and op.name.endswith("backward") else NEIGHBOUR.get(op.dtype, PROMOTE)
        )
        if op.kind == VIEW:  # a view has its input's type whatever the rule
            continue
        code = op.reference.__code__
        places = joined(lines_of(code, body=True), naming(op.name))
        text = f"{op.name}: {op.dtype.__name__} -> {other.__name__}"
        yield Mutant(*start(code), "dtype", text, functools.partial(exchange_dtype, op, other), places)


def exchange_dtype(op: Op, other) -> None:
    """The caller is in many hands by now: it stays, but calls one that is made for the other rule."""
    old, op.dtype = op.call, other
    op.instead = call.make_caller(op)  # type: ignore[attr-defined]
    free = old.__code__.co_freevars  # code can only be exchanged for code with the same free variables
    source = f"def make({', '.join(free)}):\n def call(*args, **kwargs):\n  ({', '.join(free)},)\n  return op.instead(*args, **kwargs)\n return call"
    space: dict = {}
    exec(source, space)
    old.__code__ = space["make"](*free).__code__
    old.__kwdefaults__ = old.__defaults__ = None


# Boundaries, and the branches of rules.


def tree_mutants(path: Path) -> Iterator[Mutant]:
    source = path.read_text()
    tree = ast.parse(source)
    places = {id(node): number for number, node in enumerate(ast.walk(tree))}
    found = [rule.__code__ for op in declared() for rule in (*op.rules.values(), *op.jvp.values())]
    rules = {(code.co_firstlineno, code.co_name) for code in found if code.co_filename == str(path)}
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.Lambda)):
            continue
        name = function.name if isinstance(function, ast.FunctionDef) else "<lambda>"
        for node in own(function):
            for k, operator in enumerate(node.ops if isinstance(node, ast.Compare) else ()):
                if type(operator) in OTHER_SIDE:
                    change = functools.partial(turn, k)
                    yield from_tree(path, "boundary", name, node, places[id(node)], turned(node, k), change)
        if (function.lineno, name) in rules:
            branches = [branch for branch in outcomes(function) if not empty(branch)]
            for branch in branches if len(branches) > 1 else ():
                minus = ast.UnaryOp(ast.USub(), branch)
                yield from_tree(path, "rule", f"{name}, one branch", branch, places[id(branch)], minus, negate)


def own(function) -> Iterator[ast.AST]:
    """The nodes of a function's body that are not those of a function inside of it."""
    waiting = list(function.body) if isinstance(function.body, list) else [function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def outcomes(function) -> Iterator[ast.expr]:
    """What a rule may return, branch by branch."""
    returned = [function.body] if isinstance(function, ast.Lambda) else [n.value for n in own(function) if isinstance(n, ast.Return)]  # fmt: skip
    while returned:
        value = returned.pop()
        if isinstance(value, ast.IfExp):
            returned += [value.body, value.orelse]
        elif value is not None and not isinstance(value, ast.Tuple):  # the parts of a tuple are rules of their own
            yield value


def empty(value: ast.expr) -> bool:
    """Nothing to break: no gradient, or zeros, which stay zeros."""
    if isinstance(value, ast.Call):
        return getattr(value.func, "id", "") == "zeros_as"
    return isinstance(value, ast.Constant) and value.value is None


def from_tree(path: Path, kind: str, where: str, node, number: int, changed, change) -> Mutant:
    """`change` gets the nodes of a copy of the tree, in the order of `ast.walk`; `node` is its node `number`."""
    lines = {path.name: set(range(node.lineno, node.end_lineno + 1))}
    text = f"{where}: {ast.unparse(node)}  ->  {ast.unparse(changed)}"
    return Mutant(path.name, node.lineno, kind, text, functools.partial(exchange_code, path, number, change), lines)


def turned(node: ast.Compare, k: int) -> ast.Compare:
    other = OTHER_SIDE[type(node.ops[k])]()
    return ast.Compare(node.left, [*node.ops[:k], other, *node.ops[k + 1 :]], node.comparators)


def turn(k: int, number: int, nodes) -> None:
    nodes[number].ops = turned(nodes[number], k).ops


def negate(number: int, nodes) -> None:
    """In place, for whatever holds the node: it becomes minus itself."""
    node = nodes[number]
    minus = ast.copy_location(ast.UnaryOp(ast.USub(), node), node)
    for parent in nodes:
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, minus)


# Code in place of code.


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def key(code: CodeType) -> tuple:
    return code.co_firstlineno, tuple(code.co_positions())


@functools.cache
def living() -> tuple[dict[tuple, list[FunctionType]], list]:
    """(the functions that stem from `ops/`, by file and place, every cache of minitorch). Called once, before any fork."""
    functions, caches = defaultdict(list), []
    for found in gc.get_objects():
        if type(found) is FunctionType and Path(found.__code__.co_filename).parent == OPS:
            functions[(found.__code__.co_filename, *key(found.__code__))].append(found)
        elif hasattr(type(found), "cache_clear") and str(found.__module__).startswith("minitorch"):
            caches.append(found)
    return functions, caches


def exchange_code(path: Path, number: int, change) -> None:
    functions, caches = living()
    mutated = ast.parse(path.read_text())
    old = compile(mutated, str(path), "exec")
    change(number, list(ast.walk(mutated)))
    new = compile(ast.fix_missing_locations(mutated), str(path), "exec")
    changed = 0
    for before, after in zip(codes(old), codes(new), strict=True):
        if before != after:
            for function in functions[(str(path), *key(before))]:
                function.__code__ = after.replace(co_name=function.__code__.co_name)
                changed += 1
    if not changed:
        raise RuntimeError("no function stems from this place")
    for cache in caches:
        cache.cache_clear()


# Where something runs.


def start(code: CodeType) -> tuple[str, int]:
    return Path(code.co_filename).name, code.co_firstlineno


def lines_of(code: CodeType, body: bool = False) -> Places:
    found = {line for part in codes(code) for _, _, line in part.co_lines() if line}
    return {Path(code.co_filename).name: found - ({code.co_firstlineno} if body and len(found) > 1 else set())}


@functools.cache
def names() -> dict[str, Places]:
    """Every line of `ops/` that names something, by the name."""
    found: dict[str, Places] = defaultdict(lambda: defaultdict(set))
    for path in OPS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name):
                found[node.id][path.name].add(node.lineno)
    return found


def naming(name: str) -> Places:
    return names().get(name, {})


def joined(*several: Places) -> Places:
    found: Places = defaultdict(set)
    for places in several:
        for file, lines in places.items():
            found[file] |= lines
    return found
