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


DOCS = ROOT / "docs"
PAGES = {"overview": "README.md", "contributing": "CONTRIBUTING.md"}  # of the repository, which stand here too


def setup(app):
    app.connect("source-read", _page_of_the_repository)
    app.connect("autodoc-process-docstring", _as_rest, priority=400)  # before napoleon


def _page_of_the_repository(app, docname, source):
    """Puts a page of the repository in its place here; links lead to what the site has, as they do in a checkout."""
    here = (DOCS / docname).parent
    home = ROOT if docname in PAGES else here
    if docname in PAGES:
        source[0] = (ROOT / PAGES[docname]).read_text(encoding="utf-8")
    elsewhere = {ROOT / page: DOCS / f"{name}.md" for name, page in PAGES.items()}

    def link(found):
        text, target, anchor = found.groups(default="")
        path = (home / target).resolve()
        path = elsewhere.get(path, path)
        if not path.exists():
            return found[0]  # an address, or a mistake, which Sphinx finds
        if DOCS not in path.parents and (path.is_dir() or path.suffix == ".md"):
            return f"{text} (`{path.relative_to(ROOT)}`)"
        return f"[{text}]({os.path.relpath(path, here)}{anchor})"

    source[0] = re.sub(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)", link, source[0])


def _as_rest(app, what, name, obj, options, lines):
    """Docstrings are plain text: a star is a star, and a list of arguments may go on in the next line."""
    text = re.sub(r"(?m)^( +[\w, ]+,)\n +", r"\1 ", "\n".join(lines))
    lines[:] = re.sub(r"(`[^`]*`)|\*", lambda found: found[1] or r"\*", text).split("\n")
