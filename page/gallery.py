"""Builds the gallery: pages from records and cards, the released files, LiteRT.js, and the scripts that run them.

Only released files go in, and no date or path: the same files give the same bytes.
"""

import base64
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markdown_it import MarkdownIt

import zoo
from page import live, plots
from page.published import PUBLISHED
from zoo.base.files import writing_folder
from zoo.base.tables import figure
from zoo.recipe.collection import Entry, folder, list_recipes
from zoo.runs.report import larger_is_better
from zoo.runtime.browser import packages
from zoo.runtime.targets import TARGETS, refusals

HERE = Path(__file__).parent
# Inlined into every page: on a slow phone, each request takes half a second before the page appears.
INLINE = (HERE / "static" / "style.css", HERE / "static" / "theme.js")
STREAM = "models/stream.tflite"
MODELS = {"digit": live.digit, "garment": live.garment, "sentence": live.sentence, "series": live.series}
# LiteRT.js for browsers with relaxed SIMD, and for others. Single-threaded: threads need special HTTP headers.
RUNTIME = ("litert_wasm_internal", "litert_wasm_compat_internal")
IMPORTS = (
    '{"imports":{"@litertjs/core":"./litert/core/index.js","@litertjs/wasm-utils":"./litert/wasm-utils/index.js"}}'
)


def build(into: Path) -> None:
    """Writes the site into a folder, which is replaced completely.

    Raises:
        ImportError: LiteRT.js, Jinja2 or TensorFlow is not installed; the message has the command.
        LookupError: a model that the page runs is not released.
    """
    entries = [entry for entry in list_recipes() if entry.record]
    library = packages() / "@litertjs"
    with writing_folder(into) as site:
        runtime = sum((library / "core" / "wasm" / (RUNTIME[0] + suffix)).stat().st_size for suffix in (".js", ".wasm"))
        (site / "models").mkdir()
        (site / "index.html").write_text(index_page(entries, runtime), encoding="utf-8")
        for source in sorted({*(HERE / "static").iterdir()} - {*INLINE}):
            shutil.copyfile(source, site / source.name)
        for entry in entries:
            (site / "models" / f"{entry.name}.html").write_text(model_page(entry), encoding="utf-8")
            (site / "models" / entry.name).mkdir()
            for source in [*entry.files, *sorted((folder("tflite") / entry.name).glob("*.golden.json"))]:
                shutil.copyfile(source, site / "models" / entry.name / source.name)
        for package in ("core", "wasm-utils"):
            (site / "litert" / package).mkdir(parents=True)
            shutil.copyfile(library / package / "dist" / "index.js", site / "litert" / package / "index.js")
        (site / "litert" / "wasm").mkdir()
        for name in RUNTIME:
            for suffix in (".js", ".wasm"):
                shutil.copyfile(library / "core" / "wasm" / (name + suffix), site / "litert" / "wasm" / (name + suffix))
        live.stream(live.series(entries), site / STREAM)


def index_page(entries: Sequence[Entry], runtime_bytes: int) -> str:
    """The start page: live models, table and plots. `runtime_bytes` is the size of LiteRT.js."""
    return (
        _environment()
        .get_template("index.html")
        .render(
            root="",
            rows=[_row(entry) for entry in entries],
            live={name: choose(entries) for name, choose in MODELS.items()},
            stream=STREAM,
            runtime_bytes=runtime_bytes,
            charts=_charts(entries),
        )
    )


def model_page(entry: Entry) -> str:
    """A model's page: its files, the targets that can run them, and its card."""
    record = entry.record or {}
    files = []
    for file in record["files"].values():
        reasons = refusals(folder("tflite") / entry.name / file["file"])
        files.append({**file, "targets": {TARGETS[name].title: reason for name, reason in reasons.items()}})
    return (
        _environment()
        .get_template("model.html")
        .render(root="../", entry=entry, score_name=record["score_name"], files=files, card=card_html(entry))
    )


def card_html(entry: Entry) -> str:
    """A model's card as HTML, without its title and Hugging Face Hub metadata; wide tables scroll."""
    card = (folder("tflite") / entry.name / "card.md").read_text(encoding="utf-8")
    _, _, body = card.split("---\n", 2)
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    html = str(markdown.render(body)).partition("</h1>\n")[2]  # the page has its own title
    html = html.replace("<table>", '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>')
    return html.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')


def _row(entry: Entry) -> dict[str, Any]:
    """A row of the table of models, for the file that `zoo list` shows."""
    record, file = entry.record or {}, entry.file or {}
    return {
        "name": entry.name,
        "summary": entry.summary,
        "task": record["task"],
        "data": record["data"]["name"],
        "score_name": record["score_name"],
        "score": file["score"],
        "order": file["score"] if larger_is_better(record) else -file["score"],  # sorts errors after all accuracies
        "precision": file["precision"],
        "bytes": file["bytes"],
        "latency": file["latency_us"],
        "parameters": record["parameters"],
    }


def _charts(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Two plots and their figures for each data set with several classifiers."""
    by_data: dict[str, list[Entry]] = {}
    for entry in entries:
        record = entry.record or {}
        if record["score_name"] == "accuracy":
            by_data.setdefault(record["data"]["name"], []).append(entry)
    charts = []
    for name, several in sorted(by_data.items(), key=lambda item: -len(PUBLISHED.get(item[0], ()))):
        if len(several) < 2:
            continue
        files = [
            (entry, colour, file)
            for colour, entry in enumerate(several)
            for file in (entry.record or {})["files"].values()
            if file["latency_us"]
        ]
        published = PUBLISHED.get(name, ())

        def plot(key: str, label: str, files: list[Any] = files, published: Any = published) -> str:
            points = [
                plots.Point(entry.name, colour, file["precision"], file[key], file["score"])
                for entry, colour, file in files
            ]
            return plots.pareto(points, published, x_label=label, bytes_too=key == "bytes")

        precisions = dict.fromkeys(file["precision"] for _, _, file in files)
        shapes = {precision: plots.SHAPES.get(precision, "triangle") for precision in precisions}
        charts.append(
            {
                "name": name,
                "bytes": plot("bytes", "bytes of the file"),
                "latency": plot("latency_us", "microseconds per sample, on one thread"),
                "models": list(enumerate(entry.name for entry in several)),
                "precisions": {precision: plots.mark(shape) for precision, shape in shapes.items()},
                "files": [(entry.name, file) for entry, _, file in files],
                "published": published,
            }
        )
    return charts


def _size(count: int) -> str:
    return f"{count / 1e6:.1f}\N{NO-BREAK SPACE}MB" if count >= 1e6 else f"{count / 1e3:.1f}\N{NO-BREAK SPACE}kB"


def _microseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} µs" if value >= 100 else f"{value:.1f} µs"


def _hash(text: str) -> str:
    """The hash of an inline script or style for a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"figure": figure, "size": _size, "microseconds": _microseconds, "hash": _hash}
    environment.globals |= {"version": zoo.__version__, "imports": IMPORTS}
    environment.globals |= {path.stem: path.read_text(encoding="utf-8") for path in INLINE}
    return environment
