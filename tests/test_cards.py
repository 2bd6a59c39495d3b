"""Cards tell what records hold: the Hub's metadata, the figures by class, what was tried, and what it is for."""

import numpy as np
import pytest
import yaml
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

import zoo
from zoo.base.errors import InvalidValue
from zoo.base.files import read_json
from zoo.base.tables import figure
from zoo.recipe import collection
from zoo.recipe.collection import folder
from zoo.runs.attempts import tried, write_attempt
from zoo.runs.cards import card, written
from zoo.runs.report import best_baseline, results_table, spread

ABOUT = "A first line.\n\nMore of it.\n\nFor: scans,\nand no more.\n\nNot for: photographs."
# What is not in records that were written before cards told it.
NEW = ("about", "tried", "macs", "target", "larger_is_better", "baselines_auc")


@pytest.fixture(scope="module")
def record(quick_run):
    return read_json(quick_run / "run" / "record.json")


def section(text, head):
    return text.split(f"\n## {head}\n")[1].split("\n## ")[0]


def cells(text, head):
    """The rows of the table whose first column is `head`."""
    lines = text.split(f"| {head} |", 1)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| \n").split("|")] for line in lines]


def test_the_head_is_what_the_hub_asks_for(record):
    """The fields that modelcard.md of huggingface/hub-docs calls required, as another reader of YAML sees them."""
    head = yaml.safe_load(card(record).split("---\n")[1])
    assert head["license"] == "apache-2.0" and head["library_name"] == "keras"
    assert {"tflite", "fnn", "int8"} <= set(head["tags"])
    assert head["datasets"] == ["digits"] and head["metrics"] == ["accuracy"]
    (model,) = head["model-index"]
    assert model["name"] == "quick_fnn"
    (result,) = model["results"]
    assert result["task"]["type"] == head["pipeline_tag"] == "tabular-classification"
    assert result["dataset"] == {"type": "digits", "name": "digits", "split": "test"}
    values = {metric["name"]: (metric["type"], metric["value"]) for metric in result["metrics"]}
    for file in record["files"].values():
        assert values[f"accuracy of {file['file']}"] == ("accuracy", file["score"])


def test_figures_by_class_are_those_of_scikit_learn(record, quick_run):
    digits = zoo.data.digits(shape=(64,))
    file = record["files"]["int8"]
    decided = zoo.Runner(quick_run / "run" / "tflite" / file["file"]).predict(digits.test.x).argmax(axis=1)
    assert file["confusion"] == confusion_matrix(digits.test.y, decided, labels=range(10)).tolist()
    expected = np.transpose(precision_recall_fscore_support(digits.test.y, decided, zero_division=0))
    text = section(card(record), "By class")
    assert file["file"] in text
    for row, (*figures, count) in zip(cells(text, "class"), expected, strict=True):
        assert [float(value) if value != "-" else 0 for value in row[1:4]] == pytest.approx(figures, abs=5e-5)
        assert int(row[4]) == count
    matrix = text.split("columns are predicted ones.\n\n")[1].strip().splitlines()[2:]
    assert [[int(n.strip() or 0) for n in row.split("|")[2:-1]] for row in matrix] == file["confusion"]


def test_purposes_stand_under_their_heads(record):
    text = card({**record, "about": ABOUT})
    assert text.index("A first line.\n\nMore of it.") < text.index("## Intended use")
    assert section(text, "Intended use").strip() == "scans,\nand no more."
    assert section(text, "Out of scope").strip() == "photographs."
    assert "For:" not in text


def test_the_run_puts_the_recipes_docstring_and_the_cost_on_record(record, quick_run):
    from zoo.exporting.conversion import load_keras
    from zoo.models.cost import costs

    assert record["about"] == "A quick recipe for tests: digits, few epochs."
    model = load_keras(quick_run / "run" / "model.keras")
    assert record["macs"] == costs(model).macs == 64 * 16 + 16 * 10
    assert f"{record['macs']:,} multiply-accumulates per sample" in card(record)


def test_a_record_of_an_earlier_version_gives_a_card_without_what_it_lacks(record):
    older = {key: value for key, value in record.items() if key not in NEW}
    keep = ("auc", "confusion", "arena_bytes")
    older["files"] = {p: {k: v for k, v in f.items() if k not in keep} for p, f in record["files"].items()}
    text = card(older)
    for head in ("Intended use", "By class", "multiply-accumulates"):
        assert head not in text
    assert section(text, "Files") and section(text, "Training") and "None" not in text


def test_attempts_are_what_validation_gave_and_fold_over_seeds(tmp_path, quick_run):
    """Three recipes, one of them from two seeds; the means by hand."""
    recipe = collection.load_recipe(quick_run / "quick_fnn.py")
    wide = recipe.replace(arguments={"units": (32,)}, epochs=3)
    history = {"loss": [1.0, 0.5], "accuracy": [0.1, 0.9], "val_loss": [0.7, 0.9], "val_accuracy": [0.8, 0.6]}
    other = {"loss": [1.0], "val_loss": [0.5], "val_accuracy": [float("nan")]}
    write_attempt(tmp_path, wide, "sha", history, 3.0)
    write_attempt(tmp_path, recipe, "sha", history, 3.0)
    write_attempt(tmp_path, recipe, "sha", history, 0.1)  # the same again, as from a finished checkpoint
    write_attempt(tmp_path / "seeds" / "2", recipe.replace(seed=2), "sha", {**history, "val_loss": [0.1, 0.2]}, 5.0)
    write_attempt(tmp_path, recipe, "another", other, 1.0)
    write_attempt(tmp_path, recipe.replace(bounds=zoo.Bounds(score=0.5), trials=9), "sha", history, 3.0)  # no other
    rows = tried(tmp_path, recipe.describe(), "sha")
    assert [row["differs"] for row in rows] == [{}, {"units": [32], "epochs": 3}, {"data_sha256": "another"}]
    first = rows[0]
    assert first["n"] == 2 and first["seconds"] == 4.0 and first["epochs"] == 2
    assert first["final"]["val_loss"] == pytest.approx((0.9 + 0.2) / 2)
    assert first["best"] == pytest.approx({"val_loss": (0.7 + 0.1) / 2, "val_accuracy": 0.8})
    assert rows[2]["final"]["val_accuracy"] is None
    record = {**read_json(quick_run / "run" / "record.json"), "tried": rows}
    table = cells(card(record), "difference from the released recipe")
    assert table[0] == ["none", "2", "0.5500", "0.4000", "0.6000", "0.8000", "2"]
    assert table[1] == ["epochs 3, units (32)", "2", "0.9000", "0.7000", "0.6000", "0.8000", "1"]


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"seed": 1}]', "["])
def test_damaged_attempts_are_named(tmp_path, quick_run, content):
    recipe = collection.load_recipe(quick_run / "quick_fnn.py")
    (tmp_path / "attempts.json").write_text(content)
    with pytest.raises(InvalidValue, match=r"attempts.json is .*remove it"):
        tried(tmp_path, recipe.describe(), "sha")


def test_a_run_records_its_attempts_and_none_of_their_test_figures(record, quick_run):
    (attempt,) = read_json(quick_run / "run" / "attempts.json")
    history = read_json(quick_run / "run" / "training.json")["history"]
    assert attempt["final"] == {name: history[name][-1] for name in ("val_loss", "val_accuracy")}
    assert attempt["best"] == {"val_loss": min(history["val_loss"]), "val_accuracy": max(history["val_accuracy"])}
    assert record["tried"] == [
        {"differs": {}, "n": 1, **{name: attempt[name] for name in ("epochs", "seconds", "final", "best")}}
    ]


def test_trials_stand_in_the_card_the_best_first(record):
    text = section(card(record), "Experiments and their validation scores")
    values = [float(line.split("|")[-2]) for line in text.splitlines() if line.startswith("| sgd") or "adam" in line]
    best = min(trial["val_loss"] for trial in record["search"]["history"])
    assert len(values) == 2 and values == sorted(values) and values[0] == float(figure(best))


def test_described_values_are_written_as_in_python():
    assert written({"Rescaling": {"scale": 0.0625, "offset": 0.0}}) == "Rescaling(scale=0.0625, offset=0)"
    assert written([16, {"L2": {"l2": 1e-4}}, None]) == "(16, L2(l2=0.0001), none)"
    assert written({"zoo.data.packages.digits": [[], {"shape": [64]}]}) == "zoo.data.packages.digits(shape=(64))"
    assert written({"1": 5.0}) == "(1=5)" and written({"a": 1, "b": [2]}) == "(a=1, b=(2))"


def test_errors_and_folds_fit_into_the_tables(record):
    """A regression in dollars: the smallest error is the best method, and figures have digits that tell."""
    seeds = [
        {"seed": 1, "fold": i, "verified": True, "int8": value} for i, value in enumerate((1200.0, 1250.0, 1300.0))
    ]
    changed = {
        "task": "Regression", "score_name": "mae", "larger_is_better": False, "seeds": seeds,
        "baselines": {"mean": 4000.0, "trees": 950.25, "ridge": 1500.0},
    }  # fmt: skip
    record = {**record, **changed, "files": {"int8": {**record["files"]["int8"], "score": 1234.5, "confusion": None}}}
    assert best_baseline(record) == ("trees", 950.25)
    assert spread(record, "int8") == "1,250 ± 50 (n=3 folds)"
    entry = collection.Entry("diamonds_fnn", folder("recipes") / "diamonds_fnn.py", "", "Regression", record)
    row = results_table([entry]).splitlines()[-1]
    assert "| mae 1,234 | 1,250 ± 50 (n=3 folds) | trees 950.2 | 364 |" in row
    head = yaml.safe_load(card(record).split("---\n")[1])
    assert head["metrics"] == ["mae"] and head["pipeline_tag"] == "tabular-regression"
    older = {"score_name": "accuracy", "baselines": {"a": 0.1, "b": 0.9}}
    assert best_baseline(older) == ("b", 0.9)


def test_auc_has_columns_of_its_own(record):
    seeds = [
        {"seed": i, "verified": True, "int8": 0.8, "auc": {"int8": auc}} for i, auc in enumerate((0.9, 0.92, 0.94))
    ]
    files = {"int8": {**record["files"]["int8"], "auc": 0.93}}
    record = {**record, "task": "Binary", "seeds": seeds, "files": files, "baselines_auc": {"SVC": 0.91}}
    text = card(record)
    assert "| 0.9200 ± 0.0200 (n=3) |" in section(text, "Files") and "| 0.9300 |" in section(text, "Files")
    assert {row[0]: row[2] for row in cells(text, "baseline")}["SVC"] == "0.9100"
    entry = collection.Entry("x_fnn", folder("recipes") / "x_fnn.py", "", "Binary", record)
    assert ", AUC 0.9300 |" in results_table([entry])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5000"), (1.0, "1.0000"), (12.3456, "12.35"), (123456.7, "123,457"), (None, "-"), (7, "7")],
)
def test_figures_have_digits_that_tell(value, text):
    assert figure(value) == text
