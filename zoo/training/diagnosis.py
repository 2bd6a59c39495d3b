"""Diagnosis of a trained model: under- or overfitting, what to change next, and where gradients vanish.

Train and validation are measured alike: with the final weights, without dropout, augmentation and penalties. The losses
of an epoch cannot be compared: its training loss is a mean over changing weights, with all of these active.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.base.errors import InvalidValue
from zoo.data import Dataset, Part
from zoo.recipe.description import keyword_arguments
from zoo.recipe.recipe import Recipe
from zoo.recipe.task import Task
from zoo.training.feed import shuffled
from zoo.training.loop import predict

# Errors are fractions of the blind error: that of the model's own predictions, each given to another sample. So 0 is
# perfect and 1 is chance, whatever the task, its unit and the balance of its classes.
UNDERFITS_ABOVE = 0.2  # error on train, if the recipe's bounds have no score
OVERFITS_ABOVE = 0.05  # by which the error on validation exceeds that on train
STANDARD_ERRORS = 2  # a smaller gap may be chance
STILL_FALLS = 0.05  # fraction of the training loss by which the last quarter of the epochs lowered it
VANISHED = 1e-3  # gradient of the first layer, as a fraction of the last layer's

GRADIENT_SAMPLES = 256  # of train, in one batch
SIZES = ("units", "filters", "blocks", "width_multiplier", "embedding_dim")
PENALTIES = (
    *("dropout", "spatial_dropout", "recurrent_dropout", "noise", "max_norm"),
    *("regularizer", "recurrent_regularizer", "bias_regularizer", "activity_regularizer"),
    *("augmentation", "mixing", "weight_decay"),
)


@dataclass(frozen=True)
class Diagnosis:
    """How a trained model fits.

    Attributes:
        train, validation: loss, and the task's score, of each.
        verdict: "diverged", "underfitting" (the error on train is too large), "overfitting" (that on validation is
            larger) or "fine"; of two that hold, the larger error counts. why: the figures in a sentence.
        knobs: what to change, the most promising first; none if all is fine.
    """

    train: dict[str, float]
    validation: dict[str, float]
    verdict: str
    why: str
    knobs: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For the record, without NaN."""
        return finite(asdict(self))


def diagnose(
    model: keras.Model,
    recipe: Recipe,
    dataset: Dataset,
    task: Task,
    history: Mapping[str, Sequence[float]],
    gradients: Mapping[str, float],
) -> Diagnosis:
    """Measures a trained model on train and validation, and names what to change.

    Args:
        model: compiled, with its final weights. task: adapted to train.
        gradients: norms by layer before training, from `gradient_norms`.
    """
    (train, scores, blind), (validation, scores_validation, _) = (
        _measured(model, task, part) for part in (dataset.train, dataset.validation)
    )
    name = task.score_name
    figures = f"{name} {train[name]:.4f} on train, {validation[name]:.4f} on validation"
    if not all(map(math.isfinite, train.values())):
        verdict, why = "diverged", f"the loss on train is {train['loss']}"
        return Diagnosis(train, validation, verdict, why, ("a lower `learning_rate`", "`clipnorm` of the optimizer"))

    error, error_validation = (_error(task, part[name]) / blind for part in (train, validation))
    bound = recipe.bounds.score
    allowed = UNDERFITS_ABOVE if bound is None else _error(task, bound) / blind
    deviation = math.sqrt(scores.var() / len(scores) + scores_validation.var() / len(scores_validation)) / blind
    chance = STANDARD_ERRORS * deviation
    gap = error_validation - error
    overfits = gap > chance and (gap > OVERFITS_ABOVE or error_validation > allowed)
    if error > allowed and not (overfits and gap > error):  # of both, the larger error comes first
        wanted = f"the bound of {bound:g}" if bound is not None else "a fifth of the blind error"
        verdict, why = "underfitting", f"{figures}: train does not reach {wanted}"
        knobs = _against_underfitting(recipe, history, gradients)
    elif overfits:
        verdict = "overfitting"
        why = f"{figures}: a gap of {gap:.0%} of the blind error; chance explains up to {chance:.0%}"
        knobs = _against_overfitting(recipe)
    else:
        verdict, why, knobs = "fine", f"{figures}: a low training error, and a validation error close to it", ()
    return Diagnosis(train, validation, verdict, why, knobs)


def _measured(model: keras.Model, task: Task, part: Part) -> tuple[dict[str, float], np.ndarray, float]:
    """Loss and score, the score of each sample, and the blind error."""
    logits = predict(model, part.x)
    outputs = np.asarray(task.output()(logits))
    loss = float(np.mean(_loss_of(model)(task.encode(part.y), logits)))
    others = outputs[np.random.default_rng(0).permutation(len(outputs))]
    blind = _error(task, task.score(part.y, others)) or 1.0  # 0 if all samples have the same target
    return {"loss": loss, task.score_name: task.score(part.y, outputs)}, task.per_sample(part.y, outputs), blind


def _error(task: Task, score: float) -> float:
    return 1 - score if task.larger_is_better else score


def _against_underfitting(
    recipe: Recipe, history: Mapping[str, Sequence[float]], gradients: Mapping[str, float]
) -> tuple[str, ...]:
    knobs, known = [], keyword_arguments(recipe.builder)
    norms = list(gradients.values())
    if len(norms) > 2 and norms[0] < VANISHED * norms[-1]:
        cures = [c for c in ('activation="relu"', 'normalization="batch"', "residual=True") if c.split("=")[0] in known]
        first = next(iter(gradients))
        knobs.append(f"{_either(cures) or 'fewer layers'}: the gradient vanishes before it reaches {first}")
    losses = list(history["loss"])
    before = losses[-1 - max(1, len(losses) // 4)] if len(losses) > 1 else losses[-1]
    if before - losses[-1] > STILL_FALLS * abs(before):
        knobs.append(f"`epochs={2 * recipe.epochs}`: the training loss still falls")
    used = {**recipe.arguments, **{name: getattr(recipe, name) for name in ("augmentation", "mixing", "weight_decay")}}
    if penalties := [name for name in PENALTIES if used.get(name)]:
        knobs.append(f"less {_either(penalties)}")
    sizes = _either([s for s in SIZES if s in known]) or "layers"
    return (*knobs, f"wider or deeper: larger {sizes}, or more of them", "a higher `learning_rate`")


def _against_overfitting(recipe: Recipe) -> tuple[str, ...]:
    knobs, known = [], keyword_arguments(recipe.builder)
    for name in ("dropout", "regularizer"):
        if name in known:
            knobs.append(f"more {name}" if recipe.arguments.get(name) else f"`{name}`, not used yet")
    knobs.append("more `augmentation`" if recipe.augmentation else "`augmentation`, not used yet")
    if recipe.mixing is None and recipe.task.has_classes:
        knobs.append("`mixing`")
    if sizes := [s for s in SIZES if s in known]:
        knobs.append(f"smaller {_either(sizes)}")
    return (*knobs, "more data")


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def gradient_norms(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, loss: keras.losses.Loss | None = None
) -> dict[str, float]:
    """Root mean square of the loss's gradient over each layer's kernels.

    The mean makes wide and narrow layers comparable. The step is one of training: dropout and augmentation act, batch
    normalization uses the batch's statistics. Penalties are left out: they would hide a vanished gradient. The model is
    unchanged afterwards.

    Args:
        model: its layers with kernels (of two axes and more, recurrent ones and embeddings included) are measured.
        x, y: one batch; y in the form that the loss takes.
        loss: by default that of the compiled model.

    Returns:
        norm by name of the layer, from the input to the logits; those of nested models are `model/layer`.

    Raises:
        ValueError: no loss is given and the model is not compiled.
    """
    function = _loss_of(model) if loss is None else loss
    kernels = dict(_kernels(model))
    kept = [(variable, variable.numpy()) for variable in model.non_trainable_variables]  # statistics, random states
    try:
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(function(y, model(x, training=True)))
        gradients = tape.gradient(value, {name: [w.value for w in weights] for name, weights in kernels.items()})
    finally:
        for variable, before in kept:
            variable.assign(before)
    norms = {}
    for name, weights in kernels.items():
        known = [g for g in gradients[name] if g is not None]  # None if the loss does not depend on the kernel
        squares = sum(float(np.square(tf.convert_to_tensor(g).numpy().astype("float64")).sum()) for g in known)
        norms[name] = math.sqrt(squares / sum(math.prod(w.shape) for w in weights))
    return norms


def batch_of(dataset: Dataset, task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A batch for `gradient_norms`: the first samples of the first epoch."""
    first = shuffled(seed)(0, len(dataset.train.x))[:GRADIENT_SAMPLES]
    return dataset.train.x[first], task.encode(dataset.train.y)[first]


def finite(value: Any) -> Any:
    """A value for JSON: infinite numbers and NaN become None."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kernels(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, list[keras.Variable]]]:
    """Layers in order, with their weights of two axes and more; PReLU's slopes are no kernels."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _kernels(layer, f"{prefix}{layer.name}/")
        elif not isinstance(layer, keras.layers.PReLU):
            weights = [w for w in layer.trainable_weights if len(w.shape) > 1]
            if weights:
                yield prefix + layer.name, weights


def _loss_of(model: keras.Model) -> Any:
    loss = getattr(model, "loss", None)
    if loss is None:
        raise InvalidValue(
            f"model={model.name!r} is not compiled: compile it, or give loss=zoo.Multiclass(10).loss_function()"
        )
    return keras.losses.get(loss)
