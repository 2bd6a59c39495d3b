"""The gallery: every model has a page, all figures come from the records, and all links lead to files of the site."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from page import gallery, live, plots
from page.published import PUBLISHED
from zoo.recipe.collection import list_recipes

ROOT = Path(__file__).parent.parent
ENTRIES = [entry for entry in list_recipes() if entry.record]
# Only some model pages: all of them take half a minute, and tests/targets/test_page.py builds them.
INDEX = gallery.index_page(ENTRIES, 9_000_000)
PAGES = {"index.html": INDEX} | {
    f"models/{entry.name}.html": gallery.model_page(entry)
    for entry in ENTRIES
    if entry.name.endswith(("cnn", "fnn", "micro"))
}
STYLE = (ROOT / "page" / "static" / "style.css").read_text()


class Addresses(HTMLParser):
    """The links and ids of a page."""

    def __init__(self, html):
        super().__init__()
        self.found, self.ids = [], set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.ids.add(named.get("id"))
        self.found += [named[name] for name in ("href", "src", "data-model", "data-golden") if name in named]


def test_every_link_leads_to_a_file_of_the_site():
    ids = {name: Addresses(html).ids for name, html in PAGES.items()}
    released = {f"models/{path.parent.name}/{path.name}" for path in (ROOT / "tflite").glob("*/*.*")}
    pages = {f"models/{entry.name}.html" for entry in ENTRIES}
    known = {*PAGES, *pages, *released, gallery.STREAM, *(path.name for path in (ROOT / "page" / "static").iterdir())}
    for name, html in PAGES.items():
        for address in Addresses(html).found:
            if address.startswith("data:image/svg+xml"):
                continue
            path, _, anchor = address.partition("#")
            parts = [*Path(name).parent.parts, *Path(path).parts] if path else Path(name).parts
            while ".." in parts:
                del parts[parts.index("..") - 1 : parts.index("..") + 1]
            assert "/".join(parts) in known, f"{name} leads to {address}"
            assert not anchor or anchor in ids["/".join(parts)], f"{name} leads to {address}"


def test_figures_are_those_of_the_records():
    for entry in ENTRIES:
        row = re.search(rf'<tr data-name="{entry.name}".*?</tr>', INDEX, re.DOTALL).group()
        text = " ".join(re.sub("<[^>]*>", " ", row).split())
        assert f"{entry.record['parameters']:,}" in text
        assert f"{entry.file['bytes'] / 1000:.1f} kB {entry.file['precision']}" in text
        assert f"{entry.record['score_name']} {entry.file['score']:.4g}"[:12] in text
        page = PAGES.get(f"models/{entry.name}.html")
        for file in entry.record["files"].values() if page else ():
            assert file["file"] in page and file["sha256"][:12] in page


def test_a_card_is_escaped():
    assert "<script" not in gallery.card_html(ENTRIES[0])
    assert '<div class="scroll"' in gallery.card_html(ENTRIES[0])


def test_published_figures_are_plotted_and_have_a_source():
    index = INDEX
    for data, published in PUBLISHED.items():
        assert f"<h3>{data}</h3>" in index
        for each in published:
            assert each.source
            assert index.count(f">{each.method}<") == 3  # bytes, latency, table


def test_pareto_front():
    points = [plots.Point("m", 0, "int8", x, y) for x, y in [(1, 0.5), (2, 0.4), (3, 0.7), (3, 0.6), (4, 0.7)]]
    beaten = [p for p in points if any(q.x <= p.x and q.accuracy >= p.accuracy and q != p for q in points)]
    assert plots.frontier(points) == [point for point in points if point not in beaten]


def test_labels_do_not_overlap():
    heights = plots._spread([240.0, 241.0, 250.0, 251.0, 252.0])
    assert all(b - a >= plots.LINE - 1e-9 for a, b in itertools.pairwise(heights))
    assert heights[-1] <= plots.BOTTOM


def test_the_page_uses_the_best_released_model():
    now = live.garment(ENTRIES)
    files = {"int8": {**now.entry.record["files"]["int8"], "score": 0.999}}
    better = dataclasses.replace(now.entry, record={**now.entry.record, "files": files})
    assert live.garment([better, *ENTRIES]).entry is better
    with pytest.raises(LookupError, match="needs a model of Fashion-MNIST as images .* none is released"):
        live.garment([])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_enough_contrast_in_both_themes(theme):
    colours = {
        name: pair.split(",")[theme].strip() for name, pair in re.findall(r"--([\w-]+): light-dark\((.*?)\);", STYLE)
    }
    pairs = [(text, back) for text in ("text", "soft", "accent") for back in ("back", "card")]
    for text, back in [*pairs, ("on-accent", "accent"), ("text", "tint"), ("soft", "tint")]:
        assert contrast(colours[text], colours[back]) >= 4.5, (text, back)  # WCAG 2, AA
    for mark in (name for name in colours if re.fullmatch(r"c\d", name)):
        assert contrast(colours[mark], colours["card"]) >= 3, mark


def contrast(one, other):
    """The contrast ratio of WCAG 2 for two colours, #rgb or #rrggbb."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        linear = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in linear)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
