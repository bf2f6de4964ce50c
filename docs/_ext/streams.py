"""What a cell prints arrives in pieces, cut wherever its process was interrupted: they are put together as they are.

MyST-NB's own `merge_streams` begins a new line at every cut, so that a page would depend on how busy the machine was.
"""

from __future__ import annotations

import myst_nb.core.render
from nbformat import NotebookNode
from sphinx.application import Sphinx


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output["output_type"] != "stream":
            kept.append(output)
        elif output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
        else:
            streams[output["name"]] = NotebookNode(output)
            kept.append(streams[output["name"]])
    return kept


def setup(app: Sphinx) -> dict:
    myst_nb.core.render.coalesce_streams = joined
    return {"parallel_read_safe": True, "parallel_write_safe": True}
