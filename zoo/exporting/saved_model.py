"""Writes SavedModels with the signatures that users (`serve`) and the converter (`edge`) call."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


def save_model(model: keras.Model, output_name: str, path: Path) -> None:
    """One SavedModel with two signatures: `serve` for any batch size, `edge` for one sample."""
    (tensor,) = model.inputs
    save_function(model, path, lambda x: {output_name: model(x, training=False)}, tensor.shape[1:], tensor.dtype)


def save_function(
    model: keras.Model, path: Path, function: Callable[[tf.Tensor], Any], shape: tuple[int | None, ...], dtype: str
) -> None:
    """The same for a function of a model's outputs."""

    def call(input):  # noqa: A002  (the argument's name becomes the signature's input name)
        return function(input)

    archive = keras.export.ExportArchive()  # without `track`, which saves each variable a second time
    for signature, batch in (("serve", None), ("edge", 1)):
        archive.add_endpoint(signature, call, [tf.TensorSpec((batch, *shape), dtype, name="input")])
    archive.write_out(str(path), verbose=False)


def save_edge(
    function: Callable[..., Any], signature: Mapping[str, tf.TensorSpec], model: keras.Model, path: Path
) -> Callable[..., Any]:
    """A SavedModel whose only signature `edge` is the function, with a model's weights; returns the traced function."""
    traced = tf.function(function, autograph=False).get_concrete_function(**signature)
    module = tf.Module()  # not the model, whose own call would be saved as well
    module.weights = [weight.value for weight in model.weights]
    tf.saved_model.save(module, str(path), signatures={"edge": traced})
    return traced


def output_signature(traced: Any) -> dict[str, tf.TensorSpec]:
    """The outputs of a traced function, as inputs of another."""
    return {name: tf.TensorSpec(x.shape, x.dtype, name=name) for name, x in traced.structured_outputs.items()}
