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
highlight_language = "none"  # for blocks without a language
default_role = "code"  # docstrings use single backticks for code

autoclass_content = "class"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # Keras' docstrings use another format
autodoc_typehints = "none"  # the docstrings give the types
napoleon_google_docstring, napoleon_numpy_docstring = True, False


DOCS = ROOT / "docs"
PAGES = {"overview": "README.md", "contributing": "CONTRIBUTING.md"}  # these pages show a file of the repository


def setup(app):
    app.connect("source-read", _repository_page)
    app.connect("autodoc-process-docstring", _as_restructured_text, priority=400)  # before napoleon


def _repository_page(app, docname, source):
    """Shows the repository's README and CONTRIBUTING as pages, and makes links work in the site as in a checkout."""
    folder = (DOCS / docname).parent
    source_folder = ROOT if docname in PAGES else folder
    if docname in PAGES:
        source[0] = (ROOT / PAGES[docname]).read_text(encoding="utf-8")
    shown = {ROOT / page: DOCS / f"{name}.md" for name, page in PAGES.items()}

    def link(match):
        text, target, anchor = match.groups(default="")
        path = (source_folder / target).resolve()
        path = shown.get(path, path)
        if not path.exists():
            return match[0]  # a URL, or a broken link, which Sphinx reports
        if DOCS not in path.parents and (path.is_dir() or path.suffix == ".md"):
            return f"{text} (`{path.relative_to(ROOT)}`)"
        return f"[{text}]({os.path.relpath(path, folder)}{anchor})"

    source[0] = re.sub(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)", link, source[0])


def _as_restructured_text(app, what, name, obj, options, lines):
    """Converts a docstring to reStructuredText: escapes stars, and joins lists of arguments that span two lines."""
    text = re.sub(r"(?m)^( +[\w, ]+,)\n +", r"\1 ", "\n".join(lines))
    lines[:] = re.sub(r"(`[^`]*`)|\*", lambda match: match[1] or r"\*", text).split("\n")
