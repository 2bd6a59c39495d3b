"""Sphinx: `make docs` builds docs/*.md, the README and the docstrings of `zoo` into build/docs."""

import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import zoo  # noqa: E402

project = "Keras Zoo"
version = release = zoo.__version__
copyright = "the Keras Zoo authors, Apache-2.0"  # noqa: A001  (Sphinx' name)
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"Keras Zoo {version}"
html_show_sphinx = False

myst_heading_anchors = 3
highlight_language = "none"  # where a block names none
default_role = "code"  # docstrings have names in single backticks

autoclass_content = "class"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # Keras' are written for another generator
autodoc_typehints = "none"  # the signatures would be longer than what is said of them
napoleon_google_docstring, napoleon_numpy_docstring = True, False


PAGES = {"overview": "README.md", "contributing": "CONTRIBUTING.md"}  # of the repository, which stand here too


def setup(app):
    app.connect("source-read", _page_of_the_repository)
    app.connect("autodoc-process-docstring", _as_rest, priority=400)  # before napoleon


def _page_of_the_repository(app, docname, source):
    """Puts a page of the repository's root in its place here, with links as they are from docs/."""
    if docname in PAGES:
        text = (
            (ROOT / PAGES[docname]).read_text(encoding="utf-8").replace("](CONTRIBUTING.md", "](docs/contributing.md")
        )
        source[0] = re.sub(r"\]\((?!\w+:|#)(docs/)?", lambda link: "](" if link[1] else "](../", text)


def _as_rest(app, what, name, obj, options, lines):
    """Docstrings are plain text: a star is a star, and a list of arguments may go on in the next line."""
    text = re.sub(r"(?m)^( +[\w, ]+,)\n +", r"\1 ", "\n".join(lines))
    lines[:] = re.sub(r"(`[^`]*`)|\*", lambda found: found[1] or r"\*", text).split("\n")
