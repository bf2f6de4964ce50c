"""A page for every public operation, written from the declarations when the documentation is built.

Nothing here lists operations: the names come from PUBLIC, the rules, types and kinds from REGISTRY, the behaviour at
awkward points from running the operation, the parity figures from `parity.json` (written by
`python -m parity --json`; see `keep_figures`).
"""

from __future__ import annotations

import dis
import functools
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

import awkward

import minitorch
from minitorch.core.op import PUBLIC, REGISTRY, Op
from minitorch.kernels.registry import KERNELS
from minitorch.viz import rules

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent.parent
PAGES = DOCS / "operations"
FIGURES = DOCS / "parity.json"

CONVERSIONS = {"convert", "copied"}  # a change of type on the way in is not what an operation is made of

KINDS = {
    "elementwise": "elementwise: every element of the result depends on one element of each input, after broadcasting",
    "linear": "linear in each of its tensor inputs, which is all that forward mode needs to know",
    "view": "a view: the result shares the memory of its input",
    "general": "neither elementwise nor linear: forward mode is taken from a rule of its own or from two backward passes",
}


def primitives_of(public: Callable) -> list[Op]:
    """The primitives that a public function names, in its own code or in that of the helpers that it calls."""
    found: dict[str, Op] = {}
    dimensions = re.search("([123])d", getattr(public, "__name__", ""))

    def walk(function: Callable, seen: set) -> None:
        op = getattr(function, "op", None)
        if isinstance(op, Op):
            found.setdefault(op.name, op)
            return
        if isinstance(function, dict):  # a primitive for each number of dimensions
            chosen = int(dimensions[1]) if dimensions else None
            function = (function[chosen],) if chosen in function else tuple(function.values())
        if isinstance(function, (tuple, list)):
            for entry in function:
                walk(entry, seen)
            return
        function = inspect.unwrap(function)
        if not inspect.isfunction(function) or function in seen or not function.__module__.startswith("minitorch.ops"):
            return
        seen.add(function)
        for name in globals_of(function.__code__):
            found_there = function.__globals__.get(name)
            if found_there is PUBLIC:  # an operation looked up by its name, PUBLIC["linalg.svdvals"]: not all of them
                named_there = [c for c in function.__code__.co_consts if isinstance(c, str) and c in PUBLIC]
                found_there = [PUBLIC[c] for c in named_there]
            walk(found_there, seen)
        for cell in function.__closure__ or ():
            walk(cell.cell_contents, seen)

    walk(public, set())
    named = list(found.values())
    return [op for op in named if op.name not in CONVERSIONS] or named


@functools.cache
def globals_of(code: CodeType) -> list[str]:
    """The global names that a piece of code, and the lambdas and functions inside it, read."""
    names = [i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"]
    return names + [name for inner in code.co_consts if isinstance(inner, CodeType) for name in globals_of(inner)]


def page(name: str, public: Callable, figures: dict) -> Iterator[str]:
    """The page's lines, in MyST."""
    primitives = primitives_of(public)
    yield "---\norphan: true\n---\n"  # reached from the index: a sidebar of 600 entries on 600 pages helps nobody
    yield f"# `{name}`\n"
    yield f"```python\n{signature(name, public)}\n```\n"
    yield f"{documentation(public)}\n"
    yield from variants(name)
    for op in primitives:
        yield from primitive(op, alone=getattr(public, "op", None) is op)
    if not primitives and inspect.unwrap(public).__module__.startswith("minitorch.ops"):
        yield f"\n## Definition\n\n```python\n{source_of(inspect.unwrap(public))}\n```\n"
    found = awkward.table(public, primitives)
    if found:
        yield "\n## At awkward points\n"
        yield "Found by running it, in float64; the gradient is that of the sum of the result.\n"
        yield from markdown_table(*found)
    yield from agreement(name, figures)


def signature(name: str, public: Callable) -> str:
    found = inspect.signature(public)
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    prefix = "" if name.startswith("Tensor.") else "minitorch."
    return f"{prefix}{name}{inspect.Signature(plain)}"


def documentation(public: Callable) -> str:
    """The docstring; its lines are kept, since some are formulas."""
    text = inspect.getdoc(public) or ""
    return f"```text\n{text}\n```" if text else ""


def variants(name: str) -> Iterator[str]:
    short = name.rsplit(".", 1)[-1]
    forms = []
    if not name.startswith("Tensor.") and "." not in name:
        forms += [f"`Tensor.{form}`" for form in (short, f"{short}_") if hasattr(minitorch.Tensor, form)]
    if forms:
        yield f"Also as {' and '.join(forms)}.\n"


def primitive(op: Op, alone: bool) -> Iterator[str]:
    yield f"\n## Primitive `{op.name}`\n" if not alone else "\n## Declaration\n"
    summary = inspect.getdoc(op.reference)
    if summary and not alone:
        yield f"{summary.splitlines()[0]}\n"
    yield "Kind\n: " + KINDS[op.kind] + "\n"
    yield f"Types\n: `{op.dtype.__name__}`. {' '.join((inspect.getdoc(op.dtype) or '').split())}\n"
    if op.name in KERNELS:
        yield f"Kernel\n: NumPy, and Numba in `minitorch/kernels/{KERNELS[op.name].module}.py`\n"
    if op.composite is not None:
        yield "Fused\n: its definition in primitives stands beside it, and is what `create_graph=True` differentiates\n"
    if op.rules:
        yield f"\n### Gradient{'s' if len(op.rules) > 1 else ''}\n"
        yield (
            r"$\bar z$ (`g` in the code) is the gradient of the loss with respect to the result, `z` the result itself."
            + "\n"
        )
    for argument, rule in op.rules.items():
        equation = rules.equation(argument, rule)
        if equation:
            yield f"$${equation}$$\n"
        yield f"```python\n# the rule for {argument}\n{rules.source(rule)}\n```\n"
    yield f"\n### Reference\n\n```python\n{source_of(op.reference)}\n```\n"


def source_of(function: Callable) -> str:
    """The code of a function without its decorators."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("def "))
    return "\n".join(lines[start:]).rstrip()


def markdown_table(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def agreement(name: str, figures: dict) -> Iterator[str]:
    """What the last full run of `python -m parity` found for the entries of torch's database that this name answers."""
    entries = figures.get("operations", {})
    found = {n: e for n, e in entries.items() if n == name or n.startswith(f"{name}.")}
    if not found:
        return
    yield "\n## Agreement with torch\n"
    yield (
        f"torch {figures['torch']}'s own test cases ({', '.join(figures['dtypes'])}): values, gradients, second gradients, "
        "forward mode, methods, in-place forms and errors. The worst error is measured against the same call in float64.\n"
    )
    rows = [
        [f"`{n}`", str(e["cases"]), str(e["passed"]), str(e["known"] or ""), e["ulps"], e["torch_ulps"]]
        for n, e in found.items()
    ]
    yield from markdown_table(
        ["entry", "cases", "passed", "known differences", "worst error (ulps)", "torch's worst error (ulps)"], rows
    )


def file_name(name: str) -> str:
    """Unlike the operations' names, file names must differ in more than case on some systems (`T`, `t`)."""
    return name if name == name.lower() else f"{name}_capital"


def family(public: Callable) -> str:
    return inspect.unwrap(public).__module__


def write_pages(app: Sphinx | None = None) -> None:
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    families: dict[str, list[str]] = {}
    pages: dict[str, str] = {}
    wanted = re.compile(app.config.operations if app else "")
    for name, public in sorted(PUBLIC.items()):
        if inspect.isfunction(inspect.unwrap(public)) and wanted.search(name):
            families.setdefault(family(public), []).append(name)
            pages[f"{file_name(name)}.md"] = "\n".join(page(name, public, figures))
    pages["index.md"] = "\n".join(index(families, figures))
    renew(PAGES, pages)


def renew(folder: Path, pages: dict[str, str]) -> None:
    """Let `folder` hold these pages and no others; those that are the same stay untouched, so that they are not built again."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def index(families: dict[str, list[str]], figures: dict) -> Iterator[str]:
    count = sum(map(len, families.values()))
    yield "# Operations\n"
    yield (
        f"{count} public operations, made of {len(REGISTRY)} primitives. Each page is written from the declaration "
        "of the operation: its gradient rules as formulas and as code, its types, what it does at awkward points, and how "
        "it agrees with torch.\n"
    )
    if entries := figures.get("operations", {}).values():
        cases, passed, known = (sum(entry[key] for entry in entries) for key in ("cases", "passed", "known"))
        yield (
            f"Of {cases:,} cases of torch {figures['torch']}'s own tests {passed:,} give what torch gives; {known:,} "
            "differ on purpose, each with its reason in `parity/exceptions.py`.\n"
        )
    for title, names in sorted(families.items()):
        yield f"## {title.rsplit('.', 1)[-1].replace('_', ' ')}\n"
        yield f"{(inspect.getdoc(sys.modules[title]) or '').splitlines()[0]}\n"
        yield ", ".join(f"[`{n}`]({file_name(n)}.md)" for n in names) + "\n"


def keep_figures(report: Path) -> None:
    """Keep of a parity report, which has megabytes, what the pages show."""
    full = json.loads(report.read_text())
    kept = {}
    for entry in full["operations"]:
        if entry["missing"] is None:
            worst = [max((pair[side] for pair in entry["accuracy"].values()), default=None) for side in (0, 1)]
            ulps = ["" if w is None else f"{w:.3g}" for w in worst]
            kept[entry["op"]] = {
                "cases": entry["cases"], "passed": entry["passed"], "known": sum(entry["excepted"].values()),
                "ulps": ulps[0], "torch_ulps": ulps[1],
            }  # fmt: skip
    content = {"torch": full["environment"]["torch"], "dtypes": full["environment"]["dtypes"], "operations": kept}
    FIGURES.write_text(json.dumps(content, indent=0) + "\n")


def setup(app: Sphinx) -> dict:
    # `-D operations=relu` makes only the pages of names that match: for a quick look at the rest of the documentation.
    app.add_config_value("operations", "", "env", str)
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    keep_figures(Path(sys.argv[1]))
