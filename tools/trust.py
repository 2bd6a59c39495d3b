"""Whether all that is released is what it says: `python -m tools.trust` looks, and ends with 1 where something is not.

Hashes first, then the README's table, the cards and the page, made anew, then each file, measured again: on the whole
test set where the data are here, or else on its golden inputs, which travel with it.
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
from zoo.deploy import Runner
from zoo.recipe.collection import folder, load, load_recipe

if TYPE_CHECKING:
    from zoo.data import Dataset
    from zoo.recipe.recipe import Recipe

Report = Callable[[str], None]
MEASURED = {"bytes", "sha256", "samples", "score_keras", "auc", "confusion"}  # besides what `zoo.verify` compares


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it should be, and the file it is about."""

    file: Path
    what: str

    def __str__(self) -> str:
        file = self.file.relative_to(root()) if self.file.is_relative_to(root()) else self.file
        return f"{file}: {' '.join(self.what.split())}"


def faults(report: Report = print) -> list[Fault]:
    """All that is wrong with what is released; [] where everything is as it says.

    Args:
        report: is told what was looked at, and how.
    """
    found = _told(root() / SUMS, changed_files)
    report(f"hashes: {len(released_files())} released files against {SUMS}")
    found += _told(root() / "README.md", changed_pages)
    report(f"pages: the README's table and {len(list(folder('tflite').glob('*/card.md')))} cards, made anew")
    found += _told(root() / "page", lambda: changed_site(report))
    with silenced():
        importlib.import_module("zoo.runs.verify")  # TensorFlow, which greets
    for described in sorted(folder("tflite").glob("*/record.json")):
        found += _told(described, lambda: measured(described.parent.name, report))  # noqa: B023
    return found


def _told(file: Path, look: Callable[[], Iterator[Fault]]) -> list[Fault]:
    """What a look finds. What it stumbles over is a fault, too: a damaged record may hold anything."""
    found = []
    try:
        for fault in look():
            found.append(fault)  # one by one, so that those before an exception count
    except Exception as error:
        found.append(Fault(file, f"{type(error).__name__}: {error}"))
    return found


def changed_files() -> Iterator[Fault]:
    """Released files that are not those of SHA256SUMS, that it does not know, or that are gone."""
    known, here = sums(), {path.relative_to(root()).as_posix(): path for path in released_files()}
    for name in sorted({*known, *here}):
        if name not in here:
            yield Fault(root() / name, f"is gone; {SUMS} names it")
        elif name not in known:
            yield Fault(here[name], f"is no file of a release: {SUMS} does not name it")
        elif (found := sha256(here[name])) != known[name]:
            yield Fault(
                here[name], f"was changed since its release: SHA-256 {found[:12]}..., not {known[name][:12]}..."
            )


def changed_pages() -> Iterator[Fault]:
    """The README and the cards, where the records do not give them as they stand."""
    readme = root() / "README.md"
    text = readme.read_text(encoding="utf-8")
    for page, anew in {readme: with_results(text), **released_cards()}.items():
        there = page.read_text(encoding="utf-8") if page.is_file() else ""
        if there != anew:
            yield Fault(page, f"{_first_difference(there, anew)}; `make readme` writes it")


def _first_difference(there: str, anew: str) -> str:
    lines = there.splitlines(), anew.splitlines()
    number = next((i for i, (a, b) in enumerate(zip(*lines, strict=False)) if a != b), min(map(len, lines)))
    old, new = (text[number] if number < len(text) else "(nothing)" for text in lines)
    (at, *_) = [i for tag, i, *_ in difflib.SequenceMatcher(None, old, new).get_opcodes() if tag != "equal"] or [0]
    old, new = (text[max(0, at - 20) : at + 20] for text in (old, new))
    return f"line {number + 1} has {old!r}, and the records give {new!r}"


def changed_site(report: Report) -> Iterator[Fault]:
    """Files of `site/` that are not what the page's builder makes of the records; without `site/`, of two builds."""
    if not (root() / "page").is_dir():
        report("page: there is none in this collection")
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
            report("page: site/, made anew")
        else:
            report("page: built twice, as there is no site/; `make page` makes it")
            build_page(second)
            there = second
        names = {path.relative_to(tree) for tree in (first, there) for path in tree.rglob("*") if path.is_file()}
        _, differ, gone = filecmp.cmpfiles(there, first, sorted(map(str, names)), shallow=False)
        for name in sorted([*differ, *gone]):
            wrong = "not what the records give" if name in differ else "missing, or should not be there"
            yield Fault(root() / "site" / name, f"is {wrong}; `make page` writes it")


def measured(name: str, report: Report) -> Iterator[Fault]:
    """What is measured of a release and is not as its record says, or not alike in all that was released of it."""
    place, saved = folder("tflite") / name, folder("saved_models") / name
    record, recipe = read_json(place / "record.json"), load_recipe(name)
    if record != read_json(saved / "1" / "record.json"):
        yield Fault(saved / "1" / "record.json", "is not the record that lies beside the .tflite files")
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
    """Whether a file still gives its golden answers, and tells the figures of its record."""
    try:
        runner = Runner(path)
    except (OSError, ValueError) as error:  # as damaged as `zoo.verify` finds it
        yield Fault(path, str(error))
        return
    x, answers = _golden_samples(path, runner)
    outputs = runner.predict(x)
    if outputs.shape != answers.shape:
        yield Fault(_golden_file(path), f"has answers of shape {answers.shape}; the file gives {outputs.shape}")
        return
    difference = float(np.abs(outputs - answers).max())
    if not difference <= 1e-5 * max(1, np.abs(answers).max()):
        yield Fault(_golden_file(path), f"has other answers than {path.name} gives: {difference:.2g} apart")
    for field in ("score", "score_keras", "samples"):
        if not _same(runner.description.get(field), known[field]):
            yield Fault(
                path.with_name("record.json"),
                f"{field} of {path.name} is {known[field]}, and the file itself tells {runner.description.get(field)}",
            )


def _golden_file(path: Path) -> Path:
    return path.with_name(f"{path.stem}.golden.json")


def _golden_samples(path: Path, runner: Runner) -> tuple[np.ndarray, np.ndarray]:
    golden = read_json(_golden_file(path))
    return np.array(golden["inputs"], runner.input_dtype), np.array(golden["outputs"], "float32")


def _measured_on_test(
    recipe: "Recipe", dataset: "Dataset", record: Mapping[str, Any], place: Path, saved: Path
) -> Iterator[Fault]:
    from zoo.runs.verify import keras_outputs, verify
    from zoo.runs.measuring import serve

    for file in verify(place, recipe, report=lambda line: None).files:
        if not file.verified:
            yield Fault(place / file.file, file.refusal)
            continue
        now, then = json.loads(json.dumps(file.as_dict())), record["files"][file.precision]
        for field in MEASURED & then.keys():  # an older record has fewer
            if not _same(now[field], then[field]):
                told = f"{field} of {file.file} is {str(then[field])[:60]}, and {str(now[field])[:60]} was measured"
                yield Fault(place / "record.json", told)
    expected = serve(saved / "1", dataset.test.x)
    difference = float(np.abs(keras_outputs(recipe, dataset, saved) - expected).max())
    if not difference <= 1e-5 * max(1, np.abs(expected).max()):
        yield Fault(saved / "model.keras", f"gives other answers than the SavedModel: {difference:.2g} apart on test")


def _measured_on_golden(recipe: "Recipe", record: Mapping[str, Any], place: Path, saved: Path) -> Iterator[Fault]:
    """Parity with the SavedModel within the recipe's bounds, on the few inputs that there are; nothing is scored."""
    from zoo.runs.measuring import serve
    from zoo.runs.file_checks import check_file

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
    """Whether the SavedModel has each weight of model.keras, bit by bit: what behind them makes values needs data."""
    import tensorflow as tf

    stored = tf.train.load_checkpoint(str(saved / "1" / "variables" / "variables"))
    values = [stored.get_tensor(key) for key in stored.get_variable_to_shape_map()]
    there = {(np.shape(value), np.asarray(value).tobytes()) for value in values}
    for weight in load(name).weights:
        # Normalization counts what it learnt from; what is exported does not need that.
        if not weight.path.endswith("/count") and (tuple(weight.shape), weight.numpy().tobytes()) not in there:
            yield Fault(saved / "model.keras", f"its weights {weight.path} are not in the SavedModel")


def _same(a: Any, b: Any) -> bool:
    """Equal, or for fractions so near as float kernels of two processors are."""
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)
    return a == b


def main() -> int:
    """Prints what was looked at, then a line a fault. Gives the exit code: 0, or 1 where there is a fault."""
    found = faults(lambda line: print(line, flush=True))
    for fault in found:
        print(fault)
    print(f"{len(found)} faults" if found else "everything is as it says")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
