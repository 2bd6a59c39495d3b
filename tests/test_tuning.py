"""The search: kept over a kill, fair to bad candidates, blind to test."""

import math

import numpy as np
import pytest
import sqlalchemy
from conftest import write_recipe

import zoo
from zoo.data import Dataset
from zoo.recipe.collection import load_recipe
from zoo.tuning import WORST, read_search, search
from zoo.tuning.history import History


@pytest.fixture
def recipe(tmp_path):
    return load_recipe(
        write_recipe(
            tmp_path / "quick.py",
            more="space=lambda hp: {'learning_rate': hp.Float('rate', 1e-3, 1e-1, sampling='log')},",
        )
    )


@pytest.fixture(scope="module")
def dataset():
    return zoo.data.digits(shape=(64,))


def quiet(line):
    pass


@pytest.mark.parametrize("oracle", ["asha", "random", "grid", "bayesian", "hyperband"])
def test_a_killed_search_comes_to_the_same_end_and_trains_no_trial_twice(
    recipe, dataset, tmp_path, monkeypatch, oracle
):
    recipe = recipe.replace(trials=4, oracle=oracle, trial_epochs=3 if oracle == "hyperband" else 2)
    whole = search(recipe, dataset, tmp_path / "whole", quiet, "v")

    trained = []
    real = zoo.tuning.sharing.fit

    def dies_in_the_third(*args, **options):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(1)
        return real(*args, **options)

    monkeypatch.setattr("zoo.tuning.sharing.fit", dies_in_the_third)
    cut = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        search(recipe, dataset, cut, quiet, "v")
    assert len(History(cut / "search.db", "quick", "val_loss").trials()) == 2

    monkeypatch.setattr("zoo.tuning.sharing.fit", lambda *a, **o: trained.append(1) or real(*a, **o))
    resumed = search(recipe, dataset, cut, quiet, "v")
    assert len(trained) == len(resumed.trials) == len(whole.trials)
    assert [t.values for t in resumed.trials] == [t.values for t in whole.trials]
    assert [t.metrics for t in resumed.trials] == [t.metrics for t in whole.trials]
    assert resumed.recipe.learning_rate == whole.recipe.learning_rate
    assert read_search(recipe.replace(seed=9), dataset, cut, "v").recipe.learning_rate == whole.recipe.learning_rate
    assert read_search(recipe.replace(batch_size=9), dataset, cut, "v") is None


def test_the_best_trial_is_the_one_with_the_least_loss(recipe, dataset):
    found = search(recipe.replace(trials=3), dataset, None, quiet, "v")
    losses = [trial.metrics["val_loss"] for trial in found.trials]
    assert found.best.metrics["val_loss"] == min(losses) and len(set(losses)) == 3
    assert found.recipe.learning_rate == found.best.values["rate"]
    found = search(recipe.replace(trials=3, objective="val_accuracy"), dataset, None, quiet, "v")
    assert found.best.metrics["val_accuracy"] == max(trial.metrics["val_accuracy"] for trial in found.trials)


def test_seeds_draw_other_trials(recipe, dataset):
    drawn = [
        {t.values["rate"] for t in search(recipe.replace(seed=s, trials=3), dataset, None, quiet, "v").trials}
        for s in (0, 1)
    ]
    assert not drawn[0] & drawn[1]


def test_a_loss_that_is_not_finite_is_bad_and_a_failed_trial_does_not_end_the_search(recipe, dataset, monkeypatch):
    calls = []

    def fit(*arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            return {"val_loss": [math.nan]}
        if len(calls) == 2:
            return {"val_loss": [-math.inf]}
        if len(calls) == 3:
            raise RuntimeError("out of luck")
        return {"val_loss": [0.5]}

    monkeypatch.setattr("zoo.tuning.sharing.fit", fit)
    found = search(recipe.replace(trials=6), dataset, None, quiet, "v")
    assert len(found.trials) == 6
    assert [t.metrics["val_loss"] for t in found.trials[:3]] == [WORST] * 3
    assert found.trials[2].error == "RuntimeError: out of luck"
    assert found.best.metrics["val_loss"] == 0.5


def test_when_every_trial_fails_the_first_cause_is_told(recipe, dataset, monkeypatch):
    def fit(*arguments, **options):
        raise RuntimeError("no memory\nand a long trace")

    monkeypatch.setattr("zoo.tuning.sharing.fit", fit)
    with pytest.raises(
        zoo.CheckFailed,
        match="every one of 5 trials failed; the first one with: RuntimeError: no memory and a long trace$",
    ):
        search(recipe.replace(trials=5), dataset, None, quiet, "v")


def test_test_is_never_read(recipe, dataset):
    class Unread(Dataset):
        @property
        def test(self):
            raise AssertionError("the search read test")

        @test.setter
        def test(self, value):
            pass

    blind = object.__new__(Unread)
    for name in ("name", "train", "validation", "labels"):
        object.__setattr__(blind, name, getattr(dataset, name))
    blind.__dict__["sha256"] = "blind"
    assert search(recipe, blind, None, quiet, "v").trials


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (lambda hp: {"learning_rate": hp.Float("rate", 0.1, 0.01)}, "rate"),
        (lambda hp: {"learning_rate": hp.Float("rate", 0.1, 0.1)}, "'rate' has the empty range 0.1 to 0.1"),
        (lambda hp: {}, "a space returns the recipe's fields"),
        (lambda hp: None, "a space returns the recipe's fields"),
    ],
)
def test_an_empty_space_is_refused_before_the_first_trial(recipe, dataset, space, message):
    with pytest.raises(ValueError, match=message):
        search(recipe.replace(space=space), dataset, None, quiet, "v")


def test_a_damaged_history_is_named(recipe, dataset, tmp_path):
    search(recipe.replace(trials=1), dataset, tmp_path, quiet, "v")
    file = tmp_path / "search.db"
    for content in (file.read_bytes()[:1500], b"no database at all, but as long as the head of one " * 9):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"search.db is damaged or not a search of zoo .*; remove it"):
            search(recipe, dataset, tmp_path, quiet, "v")


def test_a_full_disk_ends_the_search_in_words_and_keeps_what_is_there(recipe, dataset, tmp_path, monkeypatch):
    recipe = recipe.replace(trials=3, oracle="random")
    real, calls = History.add, []

    def full(self, trial, params, kinds):
        calls.append(1)
        if len(calls) == 2:
            error = sqlalchemy.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))
            monkeypatch.setattr(self.study, "add_trial", lambda trial: (_ for _ in ()).throw(error))
        real(self, trial, params, kinds)

    monkeypatch.setattr(History, "add", full)
    with pytest.raises(OSError, match=r"search.db: .*database or disk is full"):
        search(recipe, dataset, tmp_path, quiet, "v")
    monkeypatch.undo()
    told = []
    assert len(search(recipe, dataset, tmp_path, told.append, "v").trials) == 3
    assert told[0] == "1 trials are in the history"


def test_another_search_in_the_same_folder_is_refused_with_the_difference(recipe, dataset, tmp_path):
    recipe = recipe.replace(trials=1)
    search(recipe, dataset, tmp_path, quiet, "v")
    other = recipe.replace(space=lambda hp: {"learning_rate": hp.Float("rate", 1e-3, 2e-1, sampling="log")})
    with pytest.raises(
        ValueError, match=r"1 trials of a search with other settings: space: rate was .*0\.1, .*, is .*0\.2"
    ):
        search(other, dataset, tmp_path, quiet, "v")
    with pytest.raises(ValueError, match=r"batch_size was 32, is 64; undo the change, or start again with overwrite"):
        search(recipe.replace(batch_size=64), dataset, tmp_path, quiet, "v")
    assert len(search(recipe.replace(batch_size=64), dataset, tmp_path, quiet, "v", overwrite=True).trials) == 1
    assert len(search(recipe.replace(batch_size=64, trials=2), dataset, tmp_path, quiet, "v").trials) == 2


def test_the_parts_that_a_trial_sees(recipe, dataset, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "zoo.tuning.sharing.fit", lambda model, train, held, **o: seen.append((train, held)) or {"val_loss": [1.0]}
    )
    search(recipe.replace(trials=1), dataset, None, quiet, "v")
    ((train, held),) = seen
    np.testing.assert_array_equal(train[0], dataset.train.x)
    np.testing.assert_array_equal(held[1], dataset.validation.y)


@pytest.mark.parametrize("words", ["connection refused", "the database system is starting up"])
def test_a_server_that_is_away_is_waited_for_and_that_is_said(words, tmp_path, monkeypatch, capsys):
    opened, tries = History._opened, []

    def away_twice(self, storage):
        tries.append(storage)
        if len(tries) < 3:
            raise sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception(words))
        return opened(self, tmp_path / "search.db")

    monkeypatch.setattr(History, "_opened", away_twice)
    History("postgresql://zoo:secret@nowhere/search", "quick", "val_loss").close()
    told = capsys.readouterr().err
    assert told.count("cannot be reached") == 1 and words in told and "secret" not in told


def test_a_server_that_stays_away_or_does_not_know_us_ends_in_words(monkeypatch):
    monkeypatch.setattr("zoo.tuning.history.PATIENCE", 0.6)
    for words, waits in (("connection refused", True), ("password authentication failed", False)):
        seen = []

        def away(self, storage, words=words, seen=seen):
            seen.append(storage)
            raise sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception(words))

        monkeypatch.setattr(History, "_opened", away)
        with pytest.raises(ValueError, match=rf"postgresql://zoo:\*\*\*@nowhere/search cannot be used: {words}"):
            History("postgresql://zoo:secret@nowhere/search", "quick", "val_loss")
        assert (len(seen) > 1) == waits
