"""A model for inference only: the same weights, without what acts in training alone."""

import re

import keras

from zoo.augment import Augmentation
from zoo.conversion.unrolled import RECURRENT, unrolled

TRAINING_ONLY = (
    Augmentation,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
)


def inference_model(model: keras.Model, output: keras.layers.Layer | None = None) -> keras.Model:
    """A copy that gives `model(x, training=False)`, with `output` (softmax, say) behind its logits.

    Dropout, noise and augmentation become identities, recurrent layers are unrolled. Names that Keras counted up are
    counted anew, because they end up in the exported file, whose bytes must not depend on what was built before.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, TRAINING_ONLY):
            return keras.layers.Identity()
        if isinstance(layer, RECURRENT):
            copy = unrolled(layer)
        elif isinstance(layer, keras.layers.Bidirectional) and isinstance(layer.forward_layer, RECURRENT):
            copy = keras.layers.Bidirectional(
                unrolled(layer.forward_layer),
                merge_mode=layer.merge_mode,
                backward_layer=unrolled(layer.backward_layer),
            )
        else:
            counted = re.fullmatch(_snake_case(type(layer).__name__) + r"(_\d+)?", layer.name)
            copy = type(layer).from_config({**layer.get_config(), **({"name": None} if counted else {})})
        return copy

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())  # identities have no weights, so both lists match
    for layer in copy.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # what it computes with is made from its weights, and only by this call
    outputs = copy.outputs[0] if output is None else output(copy.outputs[0])
    return keras.Model(copy.inputs[0], outputs, name="model")


def _snake_case(name: str) -> str:
    """As Keras names its layers: Conv2D -> conv2d, BatchNormalization -> batch_normalization."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
