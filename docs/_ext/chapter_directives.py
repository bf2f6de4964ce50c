"""What chapters are written with beside MyST: `{torch}`, `{exercises}`, `{system}` and the role `{chapter}`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

from chapter import Block, chapters, run_both
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from parity.exercises import Exercise, exercises

SYSTEMS = Path(__file__).parent.parent / "benchmarks" / "systems.json"


class SameInTorch(SphinxDirective):
    """A piece of Python in which `torch` is free, run with minitorch and with torch when the page is made.

    `:compare:` names the variables that it leaves and that are compared; `:within:` the difference that is allowed
    (chapter.WITHIN unless said).
    """

    has_content = True
    option_spec = {"compare": directives.unchanged_required, "within": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        body = "\n".join(self.content)
        file, line = self.get_source_info()
        piece = Block(self.options, body, line + 1 + len(self.options))
        try:
            both = run_both(piece, file)
        except Exception as error:
            raise self.error(f"{type(error).__name__}: {error}") from error
        return self.parse_text_to_nodes("\n".join(self.text(body, both)))

    def text(self, body: str, both) -> Iterator[str]:
        imports = "import minitorch as torch", "import torch"
        yield "`````{tab-set}\n:sync-group: library"
        for title, line, printed in zip(("minitorch", "torch"), imports, both.printed, strict=True):
            yield f"````{{tab-item}} {title}\n:sync: {title}\n"
            yield f"```python\n{line}\n\n{body.strip()}\n```\n"
            if printed.strip():
                yield f"```text\n{printed.rstrip()}\n```\n"
            yield "````"
        yield "`````\n"
        name, largest = both.largest
        compared = ", ".join(f"`{n}`" for n in both.differences)
        amount = "nothing: the same bits" if largest == 0 else f"at most {largest:.2g} (in `{name}`)"
        yield f"Difference between the two, over {compared}: {amount}."


class Exercises(SphinxDirective):
    """The exercises of a chapter, by its number, from the declarations that `minitorch check` runs."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        number = self.arguments[0]
        self.env.note_dependency(inspect.getfile(exercises))
        return self.parse_text_to_nodes("\n".join(self.text(number, exercises(number))))

    def text(self, number: str, found: list[Exercise]) -> Iterator[str]:
        for exercise in found:
            self.env.note_dependency(inspect.getfile(exercise.reference))
            yield f"**`{exercise.name}{inspect.signature(exercise.reference)}`**\n"
            yield f"{exercise.statement}\n"
        names = ", ".join(f"`{exercise.name}`" for exercise in found)
        yield (
            f"Write the function{'s' if len(found) > 1 else ''} {names} into a file of your own (`import minitorch as "
            "torch` at its top) and have it tried on inputs that are made up:\n"
        )
        yield f"```text\nminitorch check {number} my_file.py\n```\n"
        yield "````{dropdown} One solution"
        for exercise in found:
            yield f"```python\n{exercise.solution}\n```"
        yield "````"


class System(SphinxDirective):
    """What `python -m benchmarks systems` measured of the systems named: `:::{system} lenet, resnet`; of all: `all`."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        names = [name.strip() for name in self.arguments[0].split(",")]
        self.env.note_dependency(str(SYSTEMS))
        rows = {row["name"]: row for row in json.loads(SYSTEMS.read_text())["systems"]}
        if names == ["all"]:
            names = list(rows)
        if missing := [name for name in names if name not in rows]:
            raise self.error(f"{SYSTEMS.name} has no system {', '.join(missing)}")
        return self.parse_text_to_nodes("\n".join(self.text([rows[name] for name in names])))

    def text(self, rows: list[dict]) -> Iterator[str]:
        yield "| system | measured | bar | reached | seconds | of CPU | command |\n|---|---|---|---|---|---|---|"
        for row in rows:
            # In one piece: a space and a minus that no line breaks at.
            bar = f"{row['better']}\N{NO-BREAK SPACE}{row['bar']:g}"
            bar = bar.replace(">=", "≥").replace("<=", "≤").replace("-", "\N{NON-BREAKING HYPHEN}")
            seconds = f"{row['seconds']:.0f}", f"{row['cpu_seconds']:.0f}"
            cells = row["name"], row["metric"], bar, f"{row['value']:.4g}", *seconds
            yield "| " + " | ".join(cells) + f" | `{row['command']}` |"


class Chapter(SphinxRole):
    """{chapter}`04`: a link to a chapter by its number, plain text as long as that is not written."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        text = nodes.inline("", f"chapter {self.text}")
        found = [path.stem for path in chapters() if path.stem.startswith(f"{self.text}_")]
        if not found:
            return [text], []
        target = addnodes.pending_xref(
            "", text, refdomain="std", reftype="doc", reftarget=f"/chapters/{found[0]}", refexplicit=True, refwarn=True
        )
        return [target], []


def setup(app: Sphinx) -> dict:
    app.add_directive("torch", SameInTorch)
    app.add_directive("exercises", Exercises)
    app.add_directive("system", System)
    app.add_role("chapter", Chapter())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
