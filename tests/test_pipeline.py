"""The chain from data to files: what it leaves, that it repeats itself, and the verbs one by one."""

import json

import keras
import numpy as np
import pytest

import zoo
from zoo.base.files import read_json
from zoo.runs.baselines import baselines
from zoo.runs.cards import card
from zoo.runs.run import _check_means, _scores

pytestmark = pytest.mark.usefixtures("converter_here")


def quiet(line):
    pass


def test_a_run_leaves_what_the_readme_says(quick_run):
    run = quick_run / "run"
    for name in (
        "model.keras", "saved_model/1/saved_model.pb", "record.json", "card.md", "search.db", "training.json",
        "tflite/quick_fnn.float32.tflite", "tflite/quick_fnn.int8.tflite", "example.npy",
        "plots/learning_curves.png", "plots/confusion_matrix.png", "plots/search.png", "plots/gradients.png",
    ):  # fmt: skip
        assert (run / name).stat().st_size > 0, name
    assert not list(run.glob(".*")), "no temporary file stays"
    record = read_json(run / "record.json")
    assert record["verified"] and record["data"]["sha256"] and len(record["calibration"]["indices"]) == 256
    assert max(record["calibration"]["indices"]) < record["data"]["samples"]["train"]


def test_the_record_is_what_a_plain_interpreter_measures(quick_run):
    from ai_edge_litert.interpreter import Interpreter

    run = quick_run / "run"
    dataset = zoo.data.digits(shape=(64,))
    model = keras.saving.load_model(run / "model.keras")
    expected = keras.ops.softmax(model.predict(dataset.test.x, verbose=0)).numpy()
    for file in read_json(run / "record.json")["files"].values():
        interpreter = Interpreter(str(run / "tflite" / file["file"]))
        interpreter.allocate_tensors()
        outputs = []
        for sample in dataset.test.x:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
        assert np.mean(np.argmax(outputs, axis=1) == dataset.test.y) == pytest.approx(file["score"])
        assert np.abs(outputs - expected).max() == pytest.approx(file["difference"], abs=1e-5)


def test_the_verbs_one_by_one_are_the_run(quick_run, tmp_path):
    recipe = quick_run / "quick_fnn.py"
    found = zoo.tune(recipe, tmp_path, report=quiet)
    trained = zoo.train(recipe, tmp_path, report=quiet)
    assert trained.recipe.learning_rate == found.recipe.learning_rate
    exported = zoo.export(recipe, tmp_path, report=quiet)
    assert exported.verified
    first = read_json(quick_run / "run" / "record.json")
    assert exported.record["files"]["int8"]["sha256"] == first["files"]["int8"]["sha256"]
    assert zoo.verify(tmp_path, report=quiet).verified


def test_the_record_tells_what_the_model_was_trained_with(quick_run, tmp_path, zoo_command):
    recipe = quick_run / "quick_fnn.py"
    zoo_command("train", recipe, "--epochs", "2", "--seed", "7", "--out", tmp_path, check=0)
    zoo_command("export", recipe, "--out", tmp_path)  # two epochs may be too few to pass
    record = read_json(tmp_path / "record.json")
    assert record["training"]["epochs"] == 2 and record["seed"] == 7 and record["search"] is None
    (tmp_path / "model.keras").write_bytes((quick_run / "run" / "model.keras").read_bytes())
    done = zoo_command("export", recipe, "--out", tmp_path, check=2)
    assert "is not the model that" in done.stderr


def test_several_seeds_give_a_mean_and_a_spread_and_the_same_seed_the_same_bytes(quick_run, tmp_path):
    result = zoo.run(quick_run / "quick_fnn.py", tmp_path / "out", seeds=2, report=quiet)
    first = read_json(quick_run / "run" / "record.json")
    for precision, file in result.record["files"].items():
        assert file["sha256"] == first["files"][precision]["sha256"]
        assert file["score"] == first["files"][precision]["score"]
    other = read_json(tmp_path / "out" / "seeds" / "2" / "record.json")
    assert other["files"]["int8"]["sha256"] != first["files"]["int8"]["sha256"]
    assert [seed["seed"] for seed in result.record["seeds"]] == [1, 2]
    scores = [seed["int8"] for seed in result.record["seeds"]]
    text = (tmp_path / "out" / "card.md").read_text()
    assert f"{np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f} (n=2)" in text
    (attempt,) = result.record["tried"]
    validation = [
        read_json(tmp_path / "out" / place / "training.json")["final"]["val_loss"] for place in ("", "seeds/2")
    ]
    assert attempt["n"] == 2 and attempt["final"]["val_loss"] == pytest.approx(np.mean(validation))


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_other_tasks_run_to_the_end(tmp_path, task):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype("float32")
    y = x @ [1.0, 2.0, -1.0]

    def data():
        return zoo.data.Dataset.split(task, x, 500 + 100 * y if task == "regression" else (y > 0).astype(int))

    recipe = zoo.Recipe(
        name=task,
        data=data,
        builder=zoo.fnn,
        arguments={"units": (16,)},
        task=zoo.Binary() if task == "binary" else zoo.Regression(),
        preprocessing=[keras.layers.Normalization()],
        learning_rate=0.03,
        epochs=20,
        trials=1,
        trial_epochs=2,
        space=lambda hp: {"learning_rate": hp.Float("rate", 0.02, 0.05)},
        bounds=zoo.Bounds(score=0.9, drop={"float32": 0.001, "int8": 0.02})
        if task == "binary"
        else zoo.Bounds(score=30, drop={"float32": 0.001, "int8": 1.0}),
    )
    result = zoo.run(recipe, tmp_path, report=quiet)
    assert result.verified, [file.refusal for file in result.files]
    runner = zoo.Runner(tmp_path / "tflite" / f"{task}.float32.tflite")
    sample = np.array([[0.5, 1.0, 0.0]], "float32")
    answer = float(runner.predict(sample)[0, 0])
    if task == "regression":
        assert runner.output_name == "value" and answer == pytest.approx(750, abs=60), "in the target's own unit"
    else:
        assert runner.output_name == "probability" and answer > 0.9
        test = recipe.load_data().test
        probability = runner.predict(test.x)[:, 0]
        ones, zeros = probability[test.y == 1], probability[test.y == 0]
        above = np.mean((ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros))  # what the area under the curve means
        assert result.record["files"]["float32"]["auc"] == pytest.approx(above)
        assert result.record["baselines_auc"]["majority class"] == 0.5 < result.record["baselines_auc"]["SVC"]
        text = card(result.record)
        assert "test AUC" in text and "roc_auc" in text and "probability of class 1" in text
        assert _scores(result, seed=1)["auc"] == {p: file["auc"] for p, file in result.record["files"].items()}


def test_a_new_recipe_runs_as_it_is(tmp_path, zoo_command):
    zoo_command("new", "mine", cwd=tmp_path, check=0)
    done = zoo_command("run", "mine.py", cwd=tmp_path, check=0)
    assert "Try it: zoo predict runs/mine/tflite/mine.int8.tflite runs/mine/example.npy" in done.stdout
    done = zoo_command("predict", "runs/mine/tflite/mine.int8.tflite", "runs/mine/example.npy", cwd=tmp_path, check=0)
    assert re_lines(done.stdout) == {"no", "yes"}
    zoo_command("verify", "mine.py", cwd=tmp_path, check=0)
    record = json.loads((tmp_path / "runs" / "mine" / "record.json").read_text())
    assert record["data"]["labels"] == ["no", "yes"]


def re_lines(text):
    return {line.split()[1] for line in text.splitlines()}


def test_verify_refuses_other_data(quick_run, tmp_path):
    import shutil

    shutil.copytree(quick_run / "run", tmp_path / "run")
    record = read_json(tmp_path / "run" / "record.json")
    record["data"]["sha256"] = "other"
    (tmp_path / "run" / "record.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="the data of quick_fnn are not those of"):
        zoo.verify(tmp_path / "run", quick_run / "quick_fnn.py", report=quiet)


def test_folds_are_searched_trained_and_exported_each_by_itself(tmp_path):
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    recipe = zoo.Recipe(
        name="signs_fnn",
        data=lambda: zoo.data.Dataset.split("signs", x, (x.sum(axis=1) > 0).astype("int32")),
        builder=zoo.fnn,
        arguments={"units": (4,)},
        task=zoo.Binary(),
        precisions=("float32",),
        epochs=2,
        trials=1,
        trial_epochs=1,
        folds=2,
        bounds=zoo.Bounds(mean=0.999),
    )
    result = zoo.run(recipe, tmp_path, report=quiet)
    scores = result.record["seeds"]
    assert [(score["seed"], score["fold"]) for score in scores] == [(1, 0), (1, 1)]
    hashes = [read_json(tmp_path / "folds" / f"1-{i}" / "record.json")["data"] for i in (0, 1)]
    assert hashes[0]["sha256"] != hashes[1]["sha256"]
    assert sum(data["samples"]["test"] for data in hashes) == 300, "all samples are tested"
    assert (tmp_path / "folds" / "1-0" / "search.db").is_file()
    mean = np.mean([score["float32"] for score in scores])
    (check,) = result.means
    assert not check.held and f"{mean:.4f}" in check.detail and not result.verified
    assert not result.record["verified"], "two epochs are too few for .999"
    linear = [baselines(fold, zoo.Binary())[0]["logistic regression"] for fold in folds(recipe)]
    assert result.record["baselines"]["logistic regression"] == pytest.approx(np.mean(linear))


def folds(recipe):
    return recipe.load_data().folds(recipe.folds, seed=recipe.seed)


def test_a_fold_whose_file_could_not_be_measured_fails_the_mean():
    recipe = zoo.Recipe(
        data=lambda: None, builder=zoo.fnn, task=zoo.Binary(), precisions=("int8",), bounds=zoo.Bounds(mean=0.9)
    )
    assert _check_means(recipe, [{"int8": 0.95}, {"int8": 0.91}])[0].held
    (check,) = _check_means(recipe, [{"int8": 0.95}, {"int8": None}])
    assert not check.held and check.detail.endswith("1 not measured")
    assert not _check_means(recipe, [{"int8": None}])[0].held
