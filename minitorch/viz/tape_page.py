"""The tape, seen: `tape(loss)` is a page that shows the graph of a real run, and the backward pass through it step by step."""

from __future__ import annotations

import html
import json
import sys
from importlib import resources
from pathlib import Path

from ..autograd.backward import _roots
from ..core.state import state
from ..core.tensor import Tensor
from ..io import replacing
from .graph import Entry, Graph, RuleText, read_graph, variable_names
from .groups import every, grouped
from .layout import layouts

__all__ = ["Tape", "tape"]

STYLES = ("palette.css", "tape.css")
SCRIPTS = ("picture.js", "tape_layout.js", "tape_panel.js", "tape.js")
HEIGHT = 720  # of the frame in a notebook, in pixels


def tape(loss: Tensor, gradient: Tensor | None = None, title: str = "") -> Tape:
    """The graph that `loss` was computed by, as a page of its own: shown by a notebook, written by `.save(path)`.

    loss: any tensor that requires grad; gradient: what its backward pass begins with (default 1, for scalars only).

    For the page one more backward pass is run; it leaves the graph, every `.grad` and every retained gradient as they
    are (hooks are called, as in any pass). What the graph keeps, it can show at any time. Everything else (numbers that
    no rule needs, the line of each call, the modules that fold) it shows of what ran inside `minitorch.viz.recording()`;
    the line of each call also after anomaly mode. Nodes get the names of the variables where `tape` is called.

    RuntimeError where `loss.backward(gradient)` raises one about its arguments. A graph that was freed, or whose pass
    fails, is shown, with the reason.
    """
    if state.transforms or state.levels:
        raise RuntimeError("tape() called inside a transformation of minitorch.func; call it on a tensor outside")
    (root,) = _roots((loss,), (gradient,), create_graph=False)
    graph = read_graph(root, loss, variable_names(sys._getframe(1)))
    return Tape(graph, title or f"{graph.entries[graph.root].title or 'loss'}")


class Tape:
    """A graph and one pass through it. In a notebook it shows itself."""

    def __init__(self, graph: Graph, title: str):
        self.graph, self.title = graph, title
        self.top, self.home = grouped(graph)
        self.data = self._data()

    def _data(self) -> dict:
        graph = self.graph
        table: dict[RuleText, int] = {}  # every rule is told once
        entries = [_entry(entry, self.home[entry.id].number, table) for entry in graph.entries]
        return {
            "title": self.title,
            "message": graph.message,
            "root": graph.root,
            "keptBytes": graph.kept_bytes,
            "entries": entries,
            "rules": [vars(rule) for rule in table],
            "edges": [vars(edge) for edge in graph.edges],
            "steps": [vars(step) for step in graph.steps],
            "groups": [
                {
                    "title": group.title,
                    "kind": group.kind,
                    "parent": group.parent.number if group.parent else None,
                    "open": group.open,
                }
                for group in every(self.top)
            ],
            "layouts": layouts(graph, self.top, self.home),
        }

    def html(self) -> str:
        """The whole page; it loads nothing."""
        page = {name: _packaged(name) for name in ("tape.html", *STYLES, *SCRIPTS)}
        data = json.dumps(self.data, separators=(",", ":")).replace("<", "\\u003c")
        parts = {
            "{{title}}": html.escape(self.title),
            "{{style}}": "".join(page[name] for name in STYLES),
            "{{data}}": data,
            "{{script}}": "".join(page[name] for name in SCRIPTS),
        }
        text = page["tape.html"]
        for mark, part in parts.items():
            text = text.replace(mark, part, 1)
        return text

    def save(self, path: str | Path) -> None:
        """Write the page to a file."""
        with replacing(path) as temporary:
            temporary.write_text(self.html(), encoding="utf-8")

    def _repr_html_(self) -> str:
        # A frame, so that the page's styles and keys are its own.
        return (
            f'<iframe srcdoc="{html.escape(self.html())}" title="the tape of {html.escape(self.title)}" '
            f'style="width: 100%; height: {HEIGHT}px; border: 1px solid #8884; border-radius: 8px"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Tape of {self.title}: {len(self.graph.entries)} nodes, {len(self.graph.steps)} steps>"


def _packaged(name: str) -> str:
    return (resources.files(__package__) / "page" / name).read_text(encoding="utf-8")


def _entry(entry: Entry, group: int, table: dict[RuleText, int]) -> dict:
    node = entry.node
    return {
        "id": entry.id,
        "kind": entry.kind,
        "name": entry.name,
        "title": entry.title,
        "module": entry.module,
        "group": group,
        "primitive": f"the primitive {node.op.name}" if entry.kind == "operation" and node.op else "",
        "backward": node.name() if entry.kind != "constant" else "",
        "shapes": entry.shapes,
        "values": entry.values,
        "gradients": entry.gradients,
        "kept": entry.kept,
        "rules": [{"to": r["to"], "rule": table.setdefault(r["rule"], len(table))} for r in entry.rules],
        "frames": [vars(frame) | {"file": _short(frame.file)} for frame in entry.frames],
        "parameters": entry.parameters,
    }


def _short(file: str) -> str:
    """A path as it is seen from the working folder, or the last two parts of it; a cell has a name that says nothing."""
    path = Path(file)
    if "ipykernel_" in file:
        return "a cell of this notebook"
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(Path(*path.parts[-2:]))
