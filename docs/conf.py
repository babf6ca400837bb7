"""Sphinx: the documentation of lidepth; builds without a network."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lidepth"
author = "The lidepth developers"
project_copyright = "2026, The lidepth developers"
release = version = installed("lidepth")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "tables"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88

html_theme = "pydata_sphinx_theme"
html_title = f"lidepth {release}"
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": False, "footer_end": []}
