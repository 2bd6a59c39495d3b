"""`zoo fit` on a stranger's data: kinds, a whole run to the folder that is handed over, raw rows asked of the file."""

import contextlib
import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from test_own_files import hours, pictures, reviews, write_hours
from test_tables import HEAD, flats, write

import zoo
from zoo.cli import cli
from zoo.recipe.collection import load_recipe
from zoo.runs import fit as fitting
from zoo.runs.kinds import KINDS, look
from zoo.runs.report import not_won

MINUTES = 1.2


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, converter_here):
    folder = tmp_path_factory.mktemp("fit")
    monkeypatch = pytest.MonkeyPatch()
    # What fits into the minutes depends on the machine; here it is always the same.
    never = float("inf")
    monkeypatch.setattr(fitting, "_scheduled", lambda *_: (never, never, fitting.Schedule(40, 4, 8)))
    path = write(folder / "flats.csv", HEAD, flats(600))
    told: list[str] = []

    def interrupted(line):
        told.append(line)
        if line.startswith("trial  1/"):
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        zoo.fit(path, minutes=MINUTES, out=folder / "out", report=interrupted)
    told = [told[-1]]
    done = zoo.fit(path, minutes=MINUTES, out=folder / "out", report=told.append)
    monkeypatch.undo()
    return folder, done, told


def test_it_says_the_kind_of_the_data_and_the_best_baseline(fitted):
    told = "\n".join(fitted[2])
    for words in ("treated as a table", "task is Regression", "best baseline:", "390 train, 90 validation, 120 test"):
        assert words in told


def test_what_was_cut_short_goes_on(fitted):
    first, *told = fitted[2]
    assert first.startswith("trial  1/")
    told = "\n".join(told)
    assert "resumes the interrupted search" in told and "1 trials are in the history" in told
    assert "trial  1/" not in told and "trial  2/" in told


@pytest.mark.parametrize("epoch, overhead, seconds", [(0.01, 0.5, 60.0), (0.3, 3.0, 60.0), (2.0, 5.0, 600.0)])
def test_what_is_scheduled_fits_into_the_time(fitted, monkeypatch, epoch, overhead, seconds):
    now, plan = 1000.0, look(fitted[0] / "flats.csv", None, None, None, ())
    monkeypatch.setattr(fitting, "_epoch_seconds", lambda *_: (epoch, overhead, 1.0))
    monkeypatch.setattr(fitting, "time", SimpleNamespace(monotonic=lambda: now))
    until, last, schedule = fitting._scheduled(plan, load_recipe(fitted[1].recipe), now, seconds, lambda line: None)
    search = schedule.trials * (overhead + schedule.trial_epochs * epoch)
    assert now + search <= until and now + search + schedule.epochs * epoch <= last
    assert last + fitting.EXPORT_SECONDS <= now + seconds
    assert schedule.epochs == fitting.MOST_EPOCHS or search + schedule.epochs * epoch > 0.4 * (last - now)


def test_a_training_ends_before_the_epoch_that_would_be_too_late(monkeypatch):
    clock = iter([0.0, 0.0, 10.0, 10.0, 20.0, 20.0, 30.0])  # epochs of ten seconds
    monkeypatch.setattr(fitting, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    until = fitting._Until(35.0)
    until.set_model(SimpleNamespace(stop_training=False))
    for epoch, stopped in enumerate([False, False, True]):
        until.on_epoch_begin(epoch)
        until.on_epoch_end(epoch)
        assert until.model.stop_training is stopped


def test_the_recipe_is_an_ordinary_one_of_the_same_data(fitted):
    done = fitted[1]
    recipe = load_recipe(done.recipe)
    assert recipe.load_data().sha256 == done.export.record["data"]["sha256"]
    assert recipe.build(recipe.load_data()).count_params() > 0


def test_a_recipe_that_its_user_changed_is_not_written_anew(fitted):
    folder, done = fitted[:2]
    written = done.recipe.read_text()
    done.recipe.write_text(written.replace("epochs=", "epochs=1 + ", 1))
    try:
        with pytest.raises(ValueError, match="was changed since `zoo fit` wrote it"):
            zoo.fit(folder / "flats.csv", minutes=MINUTES, out=folder / "out", report=lambda line: None)
    finally:
        done.recipe.write_text(written)


def test_raw_rows_are_asked_of_the_file(fitted, zoo_command):
    folder = fitted[0]
    file = folder / "out" / "deploy" / "flats.int8.tflite"
    with open(folder / "ask.csv", "w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(["city", "area", "built"])  # another order, and no target
        rows.writerows([["Berlin", "100", "1990-05-01"], ["Rom", "", "1990-05-01"]])
    answers = [row["value"][0] for row in json.loads(zoo_command("predict", file, folder / "ask.csv", "--json").stdout)]
    assert abs(answers[0] - 1300) < 400 and np.isfinite(answers[1])
    (folder / "short.csv").write_text("city,area\nBonn,12\n")
    refused = zoo_command("predict", file, folder / "short.csv")
    assert refused.returncode == 2 and "there is no column 'built'" in refused.stderr


def test_what_is_handed_over_runs_with_numpy_and_litert_alone(fitted):
    place = fitted[0] / "out" / "deploy"
    assert {"card.md", "recipe.py", "run.py", "flats.int8.tflite", "flats.int8.golden.json"} <= {
        p.name for p in place.iterdir()
    }
    code = (
        "import runpy, sys; runpy.run_path('run.py'); "
        "assert not {'tensorflow', 'keras', 'zoo'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "as recorded" in done.stdout and "DIFFERS" not in done.stdout
    assert len((place / "run.py").read_text().splitlines()) <= 10


def test_card_and_last_line_say_whether_the_network_wins(fitted):
    _, done, _ = fitted
    card = (done.folder / "card.md").read_text()
    assert done.beaten != ("The network is not better than the baseline" in card)
    assert ("NOT better than" in str(done)) != done.beaten
    record = json.loads(json.dumps(done.export.record))
    record["baselines"]["an oracle"] = 0.0
    assert "an oracle has mae 0" in not_won(record)


def test_each_kind_is_known_by_its_looks(tmp_path):
    (tmp_path / "reviews.csv").write_text("words,label\n" + "".join(f'"{t}",{label}\n' for t, label in reviews()))
    random = np.random.default_rng(0)
    np.savez(tmp_path / "moves.npz", x=random.normal(size=(60, 9, 2)), y=np.arange(60) % 2)
    series = tmp_path / "series"
    for i in range(20):
        place = series / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        np.savetxt(place / f"{i}.csv", random.normal(size=(8 + i % 4, 2)), delimiter=",")
    kinds = {
        pictures(tmp_path / "pictures"): ("images", "zoo.cnn"),
        tmp_path / "reviews.csv": ("texts", "zoo.lstm"),
        tmp_path / "moves.npz": ("series", "zoo.gru"),
        series: ("series", "zoo.gru"),
        write(tmp_path / "flats.csv", HEAD, flats()): ("a table", "zoo.fnn"),
    }
    for path, (kind, builder) in kinds.items():
        plan = look(path, None, None, None)
        assert (plan.kind, plan.builder) == (kind, builder)
    assert (
        look(write_hours(tmp_path / "load.csv", hours(1600)), None, "Forecasting", None).kind == "a series to forecast"
    )


def test_mistakes_are_told_in_words(tmp_path, zoo_command):
    for arguments, words in (
        (["nowhere.csv"], "there is no file or folder"),
        ([tmp_path], "has no subfolder with images, WAV, text or CSV files"),
        ([write(tmp_path / "a.csv", HEAD, flats(50)), "--minutes", "0.1"], "is too short"),
        ([tmp_path / "a.csv", "--kind", "tabel"], "did you mean 'table'"),
        ([tmp_path / "a.csv", "--target", "rnet"], "did you mean 'rent'"),
    ):
        done = zoo_command("fit", *arguments)
        assert done.returncode == 2 and words in done.stderr, done.stderr


def test_the_page_names_each_kind_and_its_reader():
    page = (ROOT / "docs" / "fit.md").read_text(encoding="utf-8")
    for kind in KINDS:
        assert kind in page.split("`--kind ")[1].split("`")[0].split(" | ")
    for reader in ("table", "images", "sounds", "text", "series", "forecast"):
        assert f"`{reader}`" in page.replace("zoo.data.", "") and callable(getattr(zoo.data, reader))
    for line in (line for line in page.splitlines() if line.startswith("zoo fit")):
        options = {word for word in line.split() if word.startswith("--")}
        assert options <= {option for parameter in cli.commands["fit"].params for option in parameter.opts}
