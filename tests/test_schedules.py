"""Each schedule against its formula, step by step, and as the optimizer sees it."""

import math

import keras
import numpy as np
import pytest

from zoo.recipe.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    Plateau,
    Schedule,
    Step,
    schedule_of,
)

PEAK, STEPS, EPOCHS = 0.5, 100, 20  # five steps an epoch


def cosine(step):
    return PEAK * step / 10 if step < 10 else PEAK * (1 + math.cos(math.pi * (step - 10) / 90)) / 2


FORMULAS = {
    Constant(): lambda step: PEAK,
    Step(factor=0.3, every=4): lambda step: PEAK * 0.3 ** (step // 20),
    Exponential(factor=0.8, every=2): lambda step: PEAK * 0.8 ** (step / 10),
    Cosine(): cosine,
    Cosine(warmup=0): lambda step: PEAK * (1 + math.cos(math.pi * step / 100)) / 2,
    OneCycle(start=0.2, rest=0.2): lambda step: np.interp(step, [0, 40, 80, 100], [0.1, 0.5, 0.1, 0]),
    Plateau(): lambda step: PEAK,
}


@pytest.mark.parametrize("schedule", FORMULAS, ids=str)
def test_the_rate_is_the_formula(schedule):
    rate = schedule.rate(PEAK, STEPS, EPOCHS)
    for step in (0, 1, 4, 5, 9, 10, 11, 19, 20, 39, 40, 41, 60, 79, 80, 81, 99, 100):
        value = float(rate(np.int64(step))) if callable(rate) else rate
        assert value == pytest.approx(FORMULAS[schedule](step), abs=1e-6), step
    if callable(rate):  # what a saved model keeps of it
        again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(rate))
        assert float(again(33)) == float(rate(33))


def test_cosine_warms_up_over_a_tenth_rounded_down():
    assert all(max(1, int(steps * 0.1)) == max(1, steps // 10) for steps in range(1, 20_000))


def test_after_its_steps_one_cycle_stays_at_zero():
    assert float(OneCycle().rate(PEAK, STEPS, EPOCHS)(STEPS + 7)) == 0


@pytest.mark.parametrize("name", SCHEDULES)
def test_by_name_with_default_settings(name):
    schedule = schedule_of(name)
    assert isinstance(schedule, Schedule) and schedule == SCHEDULES[name]() and schedule_of(schedule) is schedule
    assert schedule.name == name
    for steps in (0, 1, 7):  # as few as there may be
        schedule.rate(PEAK, steps, 1)


def test_only_the_plateau_watches_the_training():
    (callback,) = Plateau(factor=0.1, patience=3, smallest=1e-5).callbacks()
    assert (callback.monitor, callback.factor, callback.patience, callback.min_lr) == ("val_loss", 0.1, 3, 1e-5)
    assert not any(SCHEDULES[name]().callbacks() for name in SCHEDULES if name != "plateau")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedule_of("cosin"), ValueError, "schedule='cosin' is not known; did you mean 'cosine'"),
        (lambda: schedule_of(Cosine), TypeError, "must be a name such as 'cosine' or one of zoo.schedules"),
        (lambda: Step(factor=1.5), ValueError, "factor=1.5"),
        (lambda: Step(every=0), ValueError, "every=0"),
        (lambda: Exponential(factor=0), ValueError, "factor=0"),
        (lambda: Cosine(warmup=1), ValueError, "warmup=1"),
        (lambda: OneCycle(rest=-0.1), ValueError, "rest=-0.1"),
        (lambda: Plateau(patience=0), ValueError, "patience=0"),
        (lambda: Plateau(smallest=-1), ValueError, "smallest=-1"),
    ],
)
def test_bad_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()
