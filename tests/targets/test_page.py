"""Tests the gallery in Chromium: drawing, typing, playing a series, and load time, with mouse and keyboard.

`make test-targets` runs these. The site is built once, and Python's file server serves it from a subfolder.
"""

import filecmp
import functools
import http.server
import math
import re
import threading
import unicodedata

import numpy as np
import pytest

from page import gallery, live
from zoo.base.files import read_json
from zoo.data.vocabulary import VOCABULARY, tokens, words_of
from zoo.deploy import Runner
from zoo.recipe.collection import list_recipes
from zoo.runtime.browser import ARGUMENTS, chromium, packages

ENTRIES = [entry for entry in list_recipes() if entry.record]
FIRST_USE = 60_000  # milliseconds to load LiteRT.js on a busy machine
# The preset "Slow 4G" of Chrome's developer tools, and its processor "4x slowdown".
SLOW_4G = {"offline": False, "latency": 562.5, "downloadThroughput": 180_000, "uploadThroughput": 84_375}
SLOWDOWN = 4
# Each digit as strokes of points in the unit square.
DIGITS = {
    0: [[(0.5 + 0.2 * math.sin(t / 4), 0.5 - 0.3 * math.cos(t / 4)) for t in range(26)]],
    1: [[(0.42, 0.3), (0.52, 0.2), (0.52, 0.8)]],
    2: [[(0.33, 0.32), (0.4, 0.22), (0.55, 0.2), (0.65, 0.3), (0.62, 0.45), (0.35, 0.8), (0.7, 0.8)]],
    3: [[(0.35, 0.25), (0.5, 0.2), (0.63, 0.3), (0.6, 0.42), (0.48, 0.48),
         (0.63, 0.57), (0.65, 0.7), (0.5, 0.8), (0.34, 0.75)]],
    4: [[(0.52, 0.2), (0.33, 0.58), (0.68, 0.58)], [(0.6, 0.38), (0.56, 0.8)]],
    5: [[(0.65, 0.2), (0.38, 0.2), (0.36, 0.47), (0.55, 0.44), (0.65, 0.57), (0.62, 0.73), (0.48, 0.8), (0.34, 0.74)]],
    6: [[(0.58, 0.2), (0.43, 0.37), (0.36, 0.6), (0.42, 0.77), (0.56, 0.8), (0.65, 0.68), (0.58, 0.55), (0.42, 0.58)]],
    7: [[(0.33, 0.2), (0.67, 0.2), (0.48, 0.8)]],
    8: [[(0.62, 0.27), (0.5, 0.2), (0.38, 0.28), (0.42, 0.42), (0.58, 0.53), (0.65, 0.68),
         (0.5, 0.8), (0.36, 0.68), (0.42, 0.54), (0.58, 0.4), (0.62, 0.27)]],
    9: [[(0.63, 0.32), (0.52, 0.2), (0.38, 0.28), (0.38, 0.42), (0.5, 0.48), (0.62, 0.4), (0.63, 0.3), (0.6, 0.8)]],
}  # fmt: skip
SENTENCES = [
    "A warm, funny film that never lets go.",
    "It's dull!  Isn't it?",
    "",
    "... 42 Zürich naïve ΣΊΣΥΦΟΣ İstanbul ¾ ½ 二 x_y don't' 'tis",
    "the worst film of the year " * 20,
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder that is served; the site is in a subfolder."""
    pytest.importorskip("playwright", reason="needs Playwright: pip install 'keras-zoo[browser]'")
    try:
        chromium(), packages()
    except ImportError as error:
        pytest.skip(f"needs {error.name}: {error}")
    folder = tmp_path_factory.mktemp("served")
    gallery.build(folder / "some" / "where")
    return folder


@pytest.fixture(scope="module")
def address(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/some/where/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(site):
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS) as browser,
    ):
        yield browser


def broken(request):
    """Whether a request failed, and was not cancelled because the test left the page."""
    return request.failure != "net::ERR_ABORTED"


@pytest.fixture
def open_page(browser, address):
    """Opens pages of the site. At the end, no page may have shown an error or sent a request to another server."""
    contexts, errors, requests = [], [], []

    def call(name="index.html", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(f"failed: {request.url}") if broken(request) else None)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address + name)
        page.wait_for_selector(".panel[inert]", state="detached")  # the panels have started
        return page

    yield call
    for context in contexts:
        context.close()
    assert not errors
    assert not [url for url in requests if not url.startswith((address, "data:image/svg+xml"))]


def output(panel, pattern):
    """Waits until the output of a panel matches, and returns it."""
    from playwright.sync_api import expect

    expect(panel.locator("output")).to_have_text(re.compile(pattern), timeout=FIRST_USE)
    return panel.locator("output").inner_text()


def draw(page, panel, strokes):
    panel.get_by_role("button", name="Clear").click()
    pad = panel.locator(".pad canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    for stroke in strokes:
        for i, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=1 if i == 0 else 3)
            if i == 0:
                page.mouse.down()
        page.mouse.up()


def test_two_builds_give_the_same_bytes(site, tmp_path):
    gallery.build(tmp_path / "again")
    names = sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file())
    first = site / "some" / "where"
    assert names == sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert not [name for name in names if not filecmp.cmp(first / name, tmp_path / "again" / name, shallow=False)]


def test_a_drawn_digit_is_recognized(open_page):
    page = open_page()
    panel = page.locator("#digit")
    found = {}
    for digit, strokes in DIGITS.items():
        draw(page, panel, strokes)
        page.wait_for_timeout(150)
        found[digit] = output(panel, r"^\d, ")
    assert [int(text[0]) for text in found.values()] == list(DIGITS), found


def test_a_digit_can_be_drawn_with_the_keyboard(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        if page.evaluate("document.activeElement.closest('#digit') && document.activeElement.tagName") == "CANVAS":
            break
        page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # the focus is visible
    for key in [
        *["ArrowUp"] * 5,
        *["ArrowLeft"] * 3,
        " ",
        *["ArrowRight"] * 6,
        *["ArrowDown", "ArrowDown", "ArrowLeft"] * 4,
    ]:
        page.keyboard.press(key)
    page.wait_for_timeout(150)
    assert output(page.locator("#digit"), r"^\d, .*%").startswith("7, ")
    page.keyboard.press("Delete")
    output(page.locator("#digit"), "Draw a digit")


def test_a_picked_garment_gives_the_golden_output(open_page):
    chosen = live.garment(ENTRIES)
    runner = Runner(chosen.path)
    page = open_page()
    panel = page.locator("#garment")
    for i, values in enumerate(read_json(chosen.path.with_suffix(".golden.json"))["outputs"]):
        panel.locator(".samples button").nth(i).click()
        best = int(np.argmax(values))
        shown = output(panel, f"^{re.escape(runner.labels[best])}, ")
        assert percentage(shown) == pytest.approx(values[best], abs=0.006)


def percentage(text):
    return float(re.search(r"([\d.]+) %", text).group(1)) / 100


def test_a_garment_can_be_drawn(open_page):
    page = open_page()
    panel = page.locator("#garment")
    trousers = [[(0.35 + 0.04 * i, 0.1), (0.35 + 0.04 * i, 0.3)] for i in range(8)]
    trousers += [[(x, 0.2), (x, 0.95)] for x in (0.36, 0.4, 0.6, 0.64)]
    draw(page, panel, trousers)
    page.wait_for_timeout(150)
    assert output(panel, "%").startswith("Trouser, ")


@pytest.mark.parametrize("text", SENTENCES)
def test_a_sentence_gives_the_tokens_and_the_probability_of_python(text, open_page):
    runner = Runner(live.sentence(ENTRIES).path)
    x = tokens([words_of(text)], tuple(runner.files[VOCABULARY].decode().split("\n")), runner.input_shape[0])
    page = open_page()
    panel = page.locator("#sentence")
    panel.get_by_label("A sentence").fill(text[:600])
    page.keyboard.press("Enter")
    output(panel, "%")
    assert [int(token) for token in panel.get_attribute("data-tokens").split(",")] == x[0].tolist()
    assert float(panel.get_attribute("data-probability")) == pytest.approx(float(runner.predict(x)[0, 0]), abs=1e-5)


def test_words_are_split_as_in_python_for_every_character(open_page):
    """Each character of the first two Unicode planes, between two letters."""
    texts = [f"a{chr(code)}B" for code in range(0x20000) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    found = open_page().evaluate(
        "async texts => { const { wordsOf } = await import('./words.js'); return texts.map(wordsOf); }", texts
    )
    assert not [text for text, words in zip(texts, found, strict=True) if words != words_of(text)]


def test_a_played_series_ends_with_the_output_for_the_whole_series(open_page):
    chosen = live.series(ENTRIES)
    golden = read_json(chosen.path.with_suffix(".golden.json"))
    steps = len(golden["inputs"][0])
    page = open_page()
    panel = page.locator("#series")
    for i, values in enumerate(golden["outputs"]):
        panel.locator(".samples button").nth(i).click()
        if i == 0:  # first step by step, then with Play
            for _ in range(3):
                panel.get_by_role("button", name="Step").click()
            output(panel, f"^After 3 of {steps}: ")
        panel.get_by_role("button", name="Play").click()
        output(panel, f"^After {steps} of {steps}: ")
        found = [float(value) for value in panel.get_attribute("data-outputs").split(",")]
        np.testing.assert_allclose(found, values, atol=1e-5)


def test_opens_within_two_seconds_on_a_slow_phone(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.send("Network.emulateNetworkConditions", SLOW_4G)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    times = []
    for _ in range(3):
        page.goto(address, wait_until="load")
        loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd || performance.now()")
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        times.append((loaded, painted))
    context.close()
    print("loaded, painted:", times)
    assert sorted(times)[1][0] < 2000, times


def test_the_runtime_is_loaded_at_first_use(open_page, address):
    page = open_page()
    page.wait_for_timeout(1000)
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert not [url for url in loaded if "/litert/" in url or url.endswith(".tflite")]


def test_the_theme_follows_the_system_and_the_button(open_page):
    back = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    assert open_page(color_scheme="light").evaluate(back) > 200
    page = open_page(color_scheme="dark")
    assert page.evaluate(back) < 60
    button = page.get_by_role("button", name="Dark theme")
    assert button.get_attribute("aria-pressed") == "true"
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    page.reload()
    assert page.evaluate(back) > 200


def test_no_page_is_wider_than_the_screen(open_page, address):
    page = open_page()
    for name in ["index.html", *(f"models/{entry.name}.html" for entry in ENTRIES)]:
        page.goto(address + name)
        for width in (320, 390, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_the_table_can_be_sorted_with_the_keyboard(open_page):
    page = open_page()
    button = page.get_by_role("button", name="Size")
    button.focus()
    for direction, reverse in (("ascending", False), ("descending", True)):
        page.keyboard.press("Enter")
        sizes = [int(row.get_attribute("data-bytes")) for row in page.locator("table.models tbody tr").all()]
        assert sizes == sorted(sizes, reverse=reverse)
        assert page.locator("table.models th[aria-sort]").get_attribute("aria-sort") == direction


def test_each_released_model_has_a_page_with_its_files(site, open_page, address):
    page = open_page()
    for entry in ENTRIES:
        page.goto(f"{address}models/{entry.name}.html")
        assert page.locator("h1").all_inner_texts() == [entry.name]
        for file in entry.record["files"].values():
            link = page.get_by_role("link", name=file["file"], exact=True)
            found = site / "some" / "where" / "models" / link.get_attribute("href")
            assert found.stat().st_size == file["bytes"]
