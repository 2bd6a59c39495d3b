"""The documentation site builds without warnings, is complete, and sends no requests to other hosts; long examples run.

`make test-targets` runs these tests; Sphinx comes with the extra [docs].
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
    folder = tmp_path_factory.mktemp("site") / "docs"
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run([*command, ROOT / "docs", folder], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


class Requests(HTMLParser):
    """The addresses that a browser fetches to show a page, without the links that a reader may follow."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.addresses += [named[name] for name in ("src", "srcset", "poster", "data") if named.get(name)]
        if tag == "link" and named.get("rel") not in ("index", "search", "next", "prev"):
            self.addresses.append(named["href"])


def to_other_hosts(addresses):
    return [address for address in addresses if re.match(r"(\w+:)?//", address)]


def test_no_page_sends_a_request_to_another_host(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 20
    for page in pages:
        addresses = Requests(page.read_text(encoding="utf-8")).addresses
        assert addresses and not to_other_hosts(addresses), page
    for style in site.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import )\W*([^'\")]+)", style.read_text(encoding="utf-8"))
        assert not to_other_hosts(addresses), style


def test_a_request_to_another_host_is_detected():
    page = '<link rel="stylesheet" href="//a.example/x.css"><script src="https://b.example/x.js"></script><a href="https://c.example">'
    assert to_other_hosts(Requests(page).addresses) == ["//a.example/x.css", "https://b.example/x.js"]


def test_every_public_name_is_described(site):
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in zoo.__all__:
        anchor = "zoo.augment.Augmentation" if name == "Augmentation" else f"zoo.{name}"
        assert f'id="{anchor}"' in page or f'id="module-{anchor}"' in page, name
    for public, module in (("zoo.data", zoo.data), ("zoo.augment", zoo.augment)):
        for name in module.__all__:
            assert f'id="{public}.{name}"' in page or name == "SOURCES", name


def test_the_site_contains_readme_and_contributing(site):
    overview = (site / "overview.html").read_text(encoding="utf-8")
    assert (
        "digits_cnn" in overview and 'href="models/README.html"' in overview and 'href="contributing.html"' in overview
    )
    assert "A builder" in (site / "contributing.html").read_text(encoding="utf-8")


def test_the_examples_of_the_export_page_run(tmp_path, zoo_command):
    names = run_page("docs/export.md", tmp_path, zoo_command)
    assert all(file.verified for file in names["result"].files)


def test_the_commands_of_the_tuning_page_run(tmp_path, zoo_process):
    (block,) = re.findall(r"```console\n(.*?)```", TUNING, re.DOTALL)
    for line in block.splitlines():
        zoo_process(*shlex.split(line.removeprefix("$ zoo "), comments=True), cwd=tmp_path, check=0)
    assert (tmp_path / "runs" / "my_data_fnn" / "best.py").is_file() and (tmp_path / "runs" / "small").is_dir()
