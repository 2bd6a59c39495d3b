"""The space of a search: KerasTuner's hyperparameters of a recipe, and the same for Optuna."""

from typing import Any

import keras_tuner
import optuna
from keras_tuner.engine import hyperparameters as kinds

from zoo.base.errors import InvalidValue
from zoo.recipe.recipe import Recipe, described, usual_space

Distribution = optuna.distributions.BaseDistribution


class Space(keras_tuner.HyperModel):
    """A recipe's space as a HyperModel whose `build` draws values and builds no model."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe

    def build(self, hp):
        draw(self.recipe, hp)


def draw(recipe: Recipe, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """The fields that a trial replaces in the recipe. Raises ValueError for an empty space or range."""
    fields = recipe.draw(hp)
    if not isinstance(fields, dict) or not fields:
        raise InvalidValue(
            f"{described(recipe.space or usual_space)} returned {fields!r}; "
            "a space returns the recipe's fields to replace"
        )
    check_ranges(hp)
    return fields


def check_ranges(hp: keras_tuner.HyperParameters) -> None:
    for parameter in hp.space:
        low, high = getattr(parameter, "min_value", None), getattr(parameter, "max_value", None)
        if low is not None and high is not None and low >= high:
            raise InvalidValue(f"space: {parameter.name!r} has the empty range {low} to {high}")


def with_values(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """The recipe with the fields that its space makes of a trial's values."""
    return recipe.replace(**draw(recipe, drawn(values)))


def drawn(values: dict[str, Any]) -> keras_tuner.HyperParameters:
    """Hyperparameters that have these values."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return hp


def distributions(space: list[Any]) -> dict[int, tuple[str, Distribution]]:
    """Name and distribution in Optuna of each hyperparameter that is drawn, by its index in KerasTuner's space.

    A name in several conditional scopes may have another range in each, so Optuna's name includes the condition.
    """
    named: dict[int, tuple[str, Distribution]] = {}
    for index, hp in enumerate(space):
        distribution = _distribution(hp)
        if distribution is None:
            continue
        shared = sum(other.name == hp.name for other in space) > 1
        conditions = ", ".join(f"{c.name}={'|'.join(map(str, c.values))}" for c in hp.conditions)
        named[index] = (f"{hp.name} ({conditions})" if shared and conditions else hp.name, distribution)
    return named


def suggest(trial: optuna.Trial, space: list[Any]) -> dict[str, Any]:
    """Values of the hyperparameters that are active, in the order of the space: parents come before children."""
    hp_values = keras_tuner.HyperParameters()
    named = distributions(space)
    for index, hp in enumerate(space):
        hp_values.merge([hp])
        if not hp_values.is_active(hp):
            continue
        if index not in named:
            hp_values.values[hp.name] = hp.default
            continue
        value = _suggested(trial, *named[index])
        hp_values.values[hp.name] = hp.prob_to_value(value) if _by_probability(hp) else value
    return hp_values.values


def _suggested(trial: optuna.Trial, name: str, kind: Distribution) -> Any:
    if isinstance(kind, optuna.distributions.CategoricalDistribution):
        return trial.suggest_categorical(name, kind.choices)
    if isinstance(kind, optuna.distributions.IntDistribution):
        return trial.suggest_int(name, kind.low, kind.high, step=kind.step, log=kind.log)
    assert isinstance(kind, optuna.distributions.FloatDistribution)
    return trial.suggest_float(name, kind.low, kind.high, step=kind.step, log=kind.log)


def parameters(values: dict[str, Any], space: list[Any]) -> tuple[dict[str, Any], dict[str, Distribution]]:
    """The inverse: a trial's values as Optuna's parameters, with their distributions."""
    hp_values = keras_tuner.HyperParameters()
    named, params, kinds_of = distributions(space), {}, {}
    for index, hp in enumerate(space):
        hp_values.merge([hp])
        if hp_values.is_active(hp) and hp.name in values:
            hp_values.values[hp.name] = values[hp.name]
            if index in named:
                name, distribution = named[index]
                params[name] = hp.value_to_prob(values[hp.name]) if _by_probability(hp) else values[hp.name]
                kinds_of[name] = distribution
    return params, kinds_of


def _by_probability(hp: Any) -> bool:
    """Whether Optuna has no such sampling; it then draws the cumulative probability instead."""
    if not isinstance(hp, kinds.Float | kinds.Int):
        return False
    return hp.sampling == "reverse_log" or (hp.sampling == "log" and hp.step not in (None, 1))


def _distribution(hp: Any) -> Distribution | None:
    if _by_probability(hp):
        return optuna.distributions.FloatDistribution(0.0, 1.0)
    if isinstance(hp, kinds.Float):
        return optuna.distributions.FloatDistribution(
            hp.min_value, hp.max_value, log=hp.sampling == "log", step=hp.step
        )
    if isinstance(hp, kinds.Int):
        log = hp.sampling == "log"
        return optuna.distributions.IntDistribution(hp.min_value, hp.max_value, log=log, step=hp.step or 1)
    if isinstance(hp, kinds.Choice):
        return optuna.distributions.CategoricalDistribution(hp.values)
    if isinstance(hp, kinds.Boolean):
        return optuna.distributions.CategoricalDistribution([False, True])
    return None  # Fixed
