"""The documentation site builds without a warning, is whole, and asks nobody; the longer examples of its pages run.

`make test-targets` runs these, with Sphinx from the extra [docs].
"""

import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from conftest import ROOT
from test_docs import run_page

import zoo

TUNING = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="Sphinx is not installed; this brings it: pip install '.[docs]'")
    place = tmp_path_factory.mktemp("site") / "docs"
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run([*command, ROOT / "docs", place], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return place


class Requests(HTMLParser):
    """What a browser fetches by itself for a page; links that a reader may follow are none."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.found += [given[name] for name in ("src", "srcset", "poster", "data") if given.get(name)]
        if tag == "link" and given.get("rel") not in ("index", "search", "next", "prev"):
            self.found.append(given["href"])


def elsewhere(addresses):
    return [address for address in addresses if re.match(r"(\w+:)?//", address)]


def test_no_page_asks_another_host(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 20
    for page in pages:
        wanted = Requests(page.read_text(encoding="utf-8")).found
        assert wanted and not elsewhere(wanted), page
    for style in site.rglob("*.css"):
        assert not elsewhere(re.findall(r"(?:url\(|@import )\W*([^'\")]+)", style.read_text(encoding="utf-8"))), style


def test_a_request_to_another_host_would_be_found():
    page = '<link rel="stylesheet" href="//a.example/x.css"><script src="https://b.example/x.js"></script><a href="https://c.example">'
    assert elsewhere(Requests(page).found) == ["//a.example/x.css", "https://b.example/x.js"]


def test_every_public_name_is_described(site):
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in zoo.__all__:
        anchor = "zoo.augment.Augmentation" if name == "Augmentation" else f"zoo.{name}"
        assert f'id="{anchor}"' in page or f'id="module-{anchor}"' in page, name
    for module in (zoo.data, zoo.augment):
        for name in module.__all__:
            assert f'id="{module.__name__}.{name}"' in page or name == "SOURCES", name


def test_the_pages_of_the_repository_stand_in_it(site):
    overview = (site / "overview.html").read_text(encoding="utf-8")
    assert (
        "digits_cnn" in overview and 'href="models/README.html"' in overview and 'href="contributing.html"' in overview
    )
    assert "A builder" in (site / "contributing.html").read_text(encoding="utf-8")


def test_the_page_on_export_runs(tmp_path, zoo_command):
    names = run_page("docs/export.md", tmp_path, zoo_command)
    assert all(file.verified for file in names["result"].files)


def test_the_commands_of_the_page_on_tuning_run(tmp_path, zoo_process):
    (block,) = re.findall(r"```console\n(.*?)```", TUNING, re.DOTALL)
    for line in block.splitlines():
        zoo_process(*shlex.split(line.removeprefix("$ zoo "), comments=True), cwd=tmp_path, check=0)
    assert (tmp_path / "runs" / "my_data_fnn" / "best.py").is_file() and (tmp_path / "runs" / "small").is_dir()
