"""A model for inference only: the same weights, without what acts in training alone."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

import zoo.models  # noqa: F401  (makes the layers of our builders known to Keras)
from zoo.exporting.activation import IntegerELU, with_integer_activation
from zoo.exporting.masking import IntegerMasking
from zoo.exporting.normalization import IntegerLayerNormalization
from zoo.models.augment import Augmentation, RandomLayer

TRAINING_ONLY = (
    Augmentation,
    RandomLayer,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
    keras.layers.Pipeline,
    *(value for name, value in vars(keras.layers).items() if name.startswith("Random")),
    *(getattr(keras.layers, name) for name in ("AutoContrast", "MixUp", "CutMix", "RandAugment", "AugMix")),
)
INTEGER: dict[type, Any] = {
    keras.layers.Masking: IntegerMasking,
    keras.layers.LayerNormalization: IntegerLayerNormalization,
    keras.layers.ELU: IntegerELU,
}
RECURRENT = (keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)
Replace = Callable[[keras.layers.Layer], keras.layers.Layer]


def inference_model(
    model: keras.Model,
    output: keras.layers.Layer | None = None,
    replace: Replace | None = None,
    input_shape: tuple[int | None, ...] | None = None,
) -> keras.Model:
    """A copy that gives `model(x, training=False)`, with `output` (softmax, say) behind its logits, in float32.

    Names that Keras counted up are counted anew, because they end up in the exported file, whose bytes must not depend
    on what was built before.

    Args:
        replace: what a strategy puts in a recurrent layer's place, a layer of the same weights; the layer as it is,
            without dropout, where there is none.
        input_shape: of the copy, without batch, where it is to be another.
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
    copy.set_weights(model.get_weights())  # identities have no weights, so both lists match
    for layer in layers_of(copy):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # what it computes with is made from its weights, and only by this call
    outputs = copy.outputs[0] if output is None else output(copy.outputs[0])
    return keras.Model(copy.inputs[0], outputs, name="model")


def as_loop(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A recurrent layer as it is, without dropout, whose variables the converter cannot freeze."""
    return rebuilt(layer, {}, unroll=False)


def rebuilt(layer: keras.layers.Layer, kinds: Mapping[type, Any], **changes: Any) -> keras.layers.Layer:
    """A recurrent layer anew, or both of a bidirectional one: of the class that `kinds` puts in its own one's place."""
    if isinstance(layer, keras.layers.Bidirectional):
        return keras.layers.Bidirectional(
            rebuilt(layer.forward_layer, kinds, **changes),
            merge_mode=layer.merge_mode,
            backward_layer=rebuilt(layer.backward_layer, kinds, **changes),
        )
    config = {**in_float32(layer.get_config()), "name": None, "dropout": 0.0, "recurrent_dropout": 0.0, **changes}
    return kinds.get(type(layer), type(layer)).from_config(config)


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers, those of nested models too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def recurrent_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The recurrent layers in order; both of a bidirectional one."""
    found = []
    for layer in layers_of(model):
        if _two_recurrent(layer):
            found += [layer.forward_layer, layer.backward_layer]
        elif isinstance(layer, RECURRENT):
            found.append(layer)
    return found


def _two_recurrent(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Bidirectional) and isinstance(layer.forward_layer, RECURRENT)


def in_float32(config: Any) -> Any:
    """A layer's configuration with the dtype policies of mixed precision, which the converter refuses, as float32."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy" and "float16" in str(config.get("config", {}).get("name")):
            return {**config, "config": {**config["config"], "name": "float32"}}
        return {key: in_float32(value) for key, value in config.items()}
    return [in_float32(value) for value in config] if isinstance(config, list) else config


def _snake_case(name: str) -> str:
    """As Keras names its layers: Conv2D -> conv2d, BatchNormalization -> batch_normalization."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
