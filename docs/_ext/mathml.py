"""Formulas as MathML, which browsers draw by themselves: no script, no font, nothing to load."""

from __future__ import annotations

from latex2mathml.converter import convert
from sphinx.application import Sphinx


def inline(self, node) -> None:
    self.body.append(convert(node.astext()))
    raise _skip()


def displayed(self, node) -> None:
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise _skip()


def _skip():
    from docutils.nodes import SkipNode

    return SkipNode()


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
