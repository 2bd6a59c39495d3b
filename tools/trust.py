"""Checks everything that is released: `python -m tools.trust` ends with 1 if anything differs from its record.

It compares hashes, then remakes the README's table, the cards and the page, then measures each file again: on the whole
test set if the data are here, else on the golden inputs beside the file.
"""

import difflib
import filecmp
import importlib
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.release import SUMS, released_cards, released_files, root, sums, with_results
from zoo.base.files import read_json, sha256
from zoo.base.native import silenced
from zoo.base.progress import Report
from zoo.base.records import read_record
from zoo.deploy import Runner
from zoo.recipe.collection import folder, load, load_recipe

if TYPE_CHECKING:
    from zoo.data import Dataset
    from zoo.recipe.recipe import Recipe

MEASURED = {"bytes", "sha256", "samples", "score_keras", "auc", "confusion"}  # `zoo.verify` compares the others
TOLERANCE = 1e-5  # of outputs, relative to the largest one


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and the file with it."""

    file: Path
    what: str

    def __str__(self) -> str:
        file = self.file.relative_to(root()) if self.file.is_relative_to(root()) else self.file
        return f"{file}: {' '.join(self.what.split())}"


def faults(report: Report = print) -> list[Fault]:
    """Everything that is wrong with the released files. `report` gets a line for each thing that was checked."""
    found = _collected(root() / SUMS, changed_files)
    report(f"hashes: {len(released_files())} released files against {SUMS}")
    found += _collected(root() / "README.md", changed_pages)
    report(f"pages: the README's table and {len(list(folder('tflite').glob('*/card.md')))} cards")
    found += _collected(root() / "page", lambda: changed_site(report))
    with silenced():
        importlib.import_module("zoo.runs.verify")  # imports TensorFlow
    for path in sorted(folder("tflite").glob("*/record.json")):
        found += _collected(path, lambda: measured(path.parent.name, report))  # noqa: B023
    return found


def _collected(file: Path, check: Callable[[], Iterator[Fault]]) -> list[Fault]:
    """The faults of a check. An exception is one too: a damaged record may have any content."""
    found = []
    try:
        for fault in check():
            found.append(fault)  # one by one, to keep those before an exception
    except Exception as error:
        found.append(Fault(file, f"{type(error).__name__}: {error}"))
    return found


def changed_files() -> Iterator[Fault]:
    """Released files whose hash differs from SHA256SUMS, that are missing there, or that are missing here."""
    known, here = sums(), {path.relative_to(root()).as_posix(): path for path in released_files()}
    for name in sorted({*known, *here}):
        if name not in here:
            yield Fault(root() / name, f"is missing; {SUMS} names it")
        elif name not in known:
            yield Fault(here[name], f"is no file of a release: {SUMS} does not name it")
        elif (now := sha256(here[name])) != known[name]:
            yield Fault(here[name], f"was changed since its release: SHA-256 {now[:12]}..., not {known[name][:12]}...")


def changed_pages() -> Iterator[Fault]:
    """README and cards that differ from what the records give."""
    readme = root() / "README.md"
    text = readme.read_text(encoding="utf-8")
    for page, new in {readme: with_results(text), **released_cards()}.items():
        there = page.read_text(encoding="utf-8") if page.is_file() else ""
        if there != new:
            yield Fault(page, f"{_first_difference(there, new)}; `make readme` writes it")


def _first_difference(there: str, new: str) -> str:
    lines = there.splitlines(), new.splitlines()
    number = next((i for i, (a, b) in enumerate(zip(*lines, strict=False)) if a != b), min(map(len, lines)))
    old, now = (text[number] if number < len(text) else "(nothing)" for text in lines)
    (at, *_) = [i for tag, i, *_ in difflib.SequenceMatcher(None, old, now).get_opcodes() if tag != "equal"] or [0]
    old, now = (text[max(0, at - 20) : at + 20] for text in (old, now))
    return f"line {number + 1} has {old!r}, and the records give {now!r}"


def changed_site(report: Report) -> Iterator[Fault]:
    """Files of `site/` that differ from a new build; without `site/`, files that differ between two builds."""
    if not (root() / "page").is_dir():
        report("page: none in this collection")
        return
    with tempfile.TemporaryDirectory() as place:
        first, second = Path(place) / "first", Path(place) / "second"
        try:
            build_page = importlib.import_module("page.gallery").build
            build_page(first)
        except ImportError as error:
            yield Fault(root() / "page", f"cannot be built: {error}; `make page` installs what it needs")
            return
        there = root() / "site"
        if there.is_dir():
            report("page: site/ against a new build")
        else:
            report("page: built twice, because there is no site/; `make page` builds it")
            build_page(second)
            there = second
        names = {path.relative_to(tree) for tree in (first, there) for path in tree.rglob("*") if path.is_file()}
        _, differ, gone = filecmp.cmpfiles(there, first, sorted(map(str, names)), shallow=False)
        for name in sorted([*differ, *gone]):
            wrong = "not what the records give" if name in differ else "missing or superfluous"
            yield Fault(root() / "site" / name, f"is {wrong}; `make page` writes it")


def measured(name: str, report: Report) -> Iterator[Fault]:
    """Measurements of a release that differ from its record, or between its files."""
    place, saved = folder("tflite") / name, folder("saved_models") / name
    record, recipe = read_record(place / "record.json"), load_recipe(name)
    if record != read_record(saved / "1" / "record.json"):
        yield Fault(saved / "1" / "record.json", "differs from the record beside the .tflite files")
    for known in record["files"].values():
        yield from _golden(place / known["file"], known)
    files = f"{name}: {len(record['files'])} files"
    try:
        dataset = recipe.load_data()
    except LookupError as error:
        report(f"{files} and the SavedModel on golden inputs, model.keras by its weights: {error}")
        yield from _measured_on_golden(recipe, record, place, saved)
        yield from _weights(name, saved)
    else:
        report(f"{files}, the SavedModel and model.keras on all {len(dataset.test.x):,} test samples")
        yield from _measured_on_test(recipe, dataset, record, place, saved)


def _golden(path: Path, known: Mapping[str, Any]) -> Iterator[Fault]:
    """Whether a file gives its golden outputs, and its metadata has the scores of its record."""
    try:
        runner = Runner(path)
    except (OSError, ValueError) as error:
        yield Fault(path, str(error))
        return
    x, golden = _golden_samples(path, runner)
    outputs = runner.predict(x)
    if outputs.shape != golden.shape:
        yield Fault(_golden_file(path), f"has outputs of shape {golden.shape}; the file gives {outputs.shape}")
        return
    if wrong := _error(outputs, golden):
        yield Fault(_golden_file(path), f"has other outputs than {path.name} gives: {wrong}")
    for field in ("score", "score_keras", "samples"):
        own = runner.description.get(field)
        if not _same(own, known[field]):
            yield Fault(
                path.with_name("record.json"),
                f"{field} of {path.name} is {known[field]}, and the file's own metadata say {own}",
            )


def _error(outputs: np.ndarray, expected: np.ndarray) -> str:
    """The largest absolute error, if it is more than rounding."""
    error = float(np.abs(outputs - expected).max())
    return "" if error <= TOLERANCE * max(1, np.abs(expected).max()) else f"max abs error {error:.2g}"


def _golden_file(path: Path) -> Path:
    return path.with_name(f"{path.stem}.golden.json")


def _golden_samples(path: Path, runner: Runner) -> tuple[np.ndarray, np.ndarray]:
    golden = read_json(_golden_file(path))
    return np.array(golden["inputs"], runner.input_dtype), np.array(golden["outputs"], "float32")


def _measured_on_test(
    recipe: "Recipe", dataset: "Dataset", record: Mapping[str, Any], place: Path, saved: Path
) -> Iterator[Fault]:
    from zoo.runs.measuring import serve
    from zoo.runs.verify import keras_outputs, verify

    for file in verify(place, recipe, report=lambda line: None).files:
        if not file.verified:
            yield Fault(place / file.file, file.refusal)
            continue
        now, then = json.loads(json.dumps(file.as_dict())), record["files"][file.precision]
        for field in MEASURED & then.keys():  # an older record has fewer
            if not _same(now[field], then[field]):
                what = f"{field} of {file.file} is {str(then[field])[:60]}, and {str(now[field])[:60]} was measured"
                yield Fault(place / "record.json", what)
    if error := _error(keras_outputs(recipe, dataset, saved), serve(saved / "1", dataset.test.x)):
        yield Fault(saved / "model.keras", f"gives other outputs than the SavedModel on test: {error}")


def _measured_on_golden(recipe: "Recipe", record: Mapping[str, Any], place: Path, saved: Path) -> Iterator[Fault]:
    """Parity with the SavedModel within the recipe's bounds, on the golden inputs; without scores."""
    from zoo.runs.file_checks import check_file
    from zoo.runs.measuring import serve

    for precision, known in record["files"].items():
        path = place / known["file"]
        x, _ = _golden_samples(path, Runner(path))
        expected = serve(saved / "1", x)
        if known["strategy"] == "streaming" and expected.ndim == 3:
            expected = expected[:, -1]
        file = check_file(
            path, precision, x, None, expected, recipe.task, recipe.bounds, record.get("target", "litert")
        )
        if not file.verified:
            yield Fault(path, f"against the SavedModel: {file.refusal}")


def _weights(name: str, saved: Path) -> Iterator[Fault]:
    """Whether the SavedModel has each weight of model.keras, bit by bit."""
    import tensorflow as tf

    stored = tf.train.load_checkpoint(str(saved / "1" / "variables" / "variables"))
    values = [stored.get_tensor(key) for key in stored.get_variable_to_shape_map()]
    there = {(np.shape(value), np.asarray(value).tobytes()) for value in values}
    for weight in load(name).weights:
        # The SavedModel lacks the sample count of Normalization, which no output depends on.
        if not weight.path.endswith("/count") and (tuple(weight.shape), weight.numpy().tobytes()) not in there:
            yield Fault(saved / "model.keras", f"its weights {weight.path} are not in the SavedModel")


def _same(a: Any, b: Any) -> bool:
    """Equal; for floats, up to the rounding of another processor."""
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)
    return a == b


def main() -> int:
    """Prints what was checked, then one line per fault. Returns the exit code: 1 if there is a fault, else 0."""
    found = faults(lambda line: print(line, flush=True))
    for fault in found:
        print(fault)
    print(f"{len(found)} faults" if found else "no faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
