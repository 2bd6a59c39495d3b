"""A copy of a model for inference: the same weights, without layers that act in training only."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

import zoo.models  # noqa: F401  (registers the layers of our builders with Keras)
from zoo.exporting.integer_layers import IntegerELU, IntegerLayerNormalization, IntegerMasking, with_integer_activation
from zoo.models.augment import Augmentation, RandomLayer

_TRAINING_ONLY = """
    Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout GaussianNoise Pipeline
    ActivityRegularization AutoContrast MixUp CutMix RandAugment AugMix
    """.split()  # noqa: SIM905
TRAINING_ONLY = (
    Augmentation,
    RandomLayer,
    *(value for name, value in vars(keras.layers).items() if name in _TRAINING_ONLY or name.startswith("Random")),
)
INTEGER: dict[type, Any] = {
    keras.layers.Masking: IntegerMasking,
    keras.layers.LayerNormalization: IntegerLayerNormalization,
    keras.layers.ELU: IntegerELU,
}
RECURRENT = (keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)


def inference_model(
    model: keras.Model,
    output: keras.layers.Layer | None = None,
    replace: Callable[[keras.layers.Layer], keras.layers.Layer] | None = None,
    input_shape: tuple[int | None, ...] | None = None,
) -> keras.Model:
    """A copy that computes `model(x, training=False)` in float32, with the layer `output` (such as softmax) appended.

    Names that Keras numbered are numbered again, because they are written to the file, whose bytes must not depend on
    models built before.

    Args:
        replace: makes a strategy's replacement of a recurrent layer, with the same weights; by default the layer itself
            without dropout.
        input_shape: of the copy, without batch, if it differs.
    """
    replace = replace or as_loop

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, TRAINING_ONLY):
            return keras.layers.Identity()
        if isinstance(layer, RECURRENT) or _two_recurrent(layer):
            return replace(layer)
        config = in_float32(layer.get_config())
        own: Any = type(layer)  # mypy 2.4.1 crashes on type(layer).__name__ after a lookup of type(layer)
        kind = INTEGER.get(own, own)
        if re.fullmatch(_snake_case(own.__name__) + r"(_\d+)?", layer.name):
            config["name"] = None
        return with_integer_activation(kind.from_config(config))

    shape = model.inputs[0].shape[1:] if input_shape is None else input_shape
    inputs = keras.Input(shape, dtype=model.inputs[0].dtype, name="input")
    copy = keras.models.clone_model(model, input_tensors=inputs, clone_function=clone, recursive=True)
    copy.set_weights(model.get_weights())  # Identity has no weights, so both lists match
    for layer in layers_of(copy):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # computes the constants of its call from its weights
    outputs = copy.outputs[0] if output is None else output(copy.outputs[0])
    return keras.Model(copy.inputs[0], outputs, name="model")


def as_loop(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The same recurrent layer without dropout, whose variables the converter cannot freeze."""
    return rebuilt(layer, {}, unroll=False)


def rebuilt(layer: keras.layers.Layer, kinds: Mapping[type, Any], **changes: Any) -> keras.layers.Layer:
    """A copy of a recurrent layer, or of both layers of a bidirectional one; `kinds` maps classes to replacements."""
    if isinstance(layer, keras.layers.Bidirectional):
        return keras.layers.Bidirectional(
            rebuilt(layer.forward_layer, kinds, **changes),
            merge_mode=layer.merge_mode,
            backward_layer=rebuilt(layer.backward_layer, kinds, **changes),
        )
    config = {**in_float32(layer.get_config()), "name": None, "dropout": 0.0, "recurrent_dropout": 0.0, **changes}
    return kinds.get(type(layer), type(layer)).from_config(config)


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers, including those of nested models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def recurrent_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The recurrent layers in order; both layers of a bidirectional one."""
    layers: list[keras.layers.Layer] = []
    for layer in layers_of(model):
        if _two_recurrent(layer):
            layers += [layer.forward_layer, layer.backward_layer]
        elif isinstance(layer, RECURRENT):
            layers.append(layer)
    return layers


def _two_recurrent(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Bidirectional) and isinstance(layer.forward_layer, RECURRENT)


def in_float32(config: Any) -> Any:
    """A layer's configuration with float32 for the dtype policies of mixed precision, which cannot be converted."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy" and "float16" in str(config.get("config", {}).get("name")):
            return {**config, "config": {**config["config"], "name": "float32"}}
        return {key: in_float32(value) for key, value in config.items()}
    return [in_float32(value) for value in config] if isinstance(config, list) else config


def _snake_case(name: str) -> str:
    """Keras' naming rule: Conv2D -> conv2d, BatchNormalization -> batch_normalization."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
