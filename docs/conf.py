"""Sphinx: `python -m sphinx -W -b html docs docs/_build/html`. Everything is built offline and loads nothing from outside."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
# The chapters' code runs in processes of its own.
os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])

project = "minitorch"
author = copyright = "the minitorch authors"
html_title = "minitorch"
extensions = ["myst_nb", "sphinx_design", "mathml", "operation_pages", "api_pages", "chapter_directives", "streams"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
exclude_patterns = ["_build", "_ext", "jupyter_execute"]
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["minitorch.css"]
suppress_warnings = ["myst.header"]
