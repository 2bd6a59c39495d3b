"""The float32 parts of integer files: a prefix that treats each feature separately, a suffix that outputs values.

The converter quantizes a file's input with one scale for all features. Beside a column in the thousands, a column
between 0 and 1 becomes a single number, and category codes merge. A later normalization cannot repair that. If the
loss would be large, the model's prefix stays in float32; images, whose features share one range, are quantized
throughout. An int8 output has 256 levels: enough to separate classes, too few for a price. So the last layer of a
model of values reads integers and outputs float32.

The model is cut where integers begin and end, each part is converted separately, and `joined` merges the files.
"""

from collections.abc import Mapping

import keras
import numpy as np

from zoo.base.keras_internals import INDEXING_AND_MASKS, Call, graph_of
from zoo.exporting.inference import layers_of
from zoo.exporting.metadata import packed
from zoo.exporting.precision import Precision
from zoo.models.fnn import Columns
from zoo.runtime.targets import read_model

# Layers that change each feature separately, or move it.
FEATURE_BY_FEATURE = (
    Columns,
    keras.layers.Normalization,
    keras.layers.BatchNormalization,
    keras.layers.Rescaling,
    keras.layers.Masking,
    keras.layers.Identity,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.Concatenate,
)
VALUE_BY_VALUE = (keras.layers.Rescaling, keras.layers.Identity, keras.layers.Flatten, keras.layers.Reshape)
LOST = 2  # how many times coarser the single scale may be than a scale for each feature

Producers = Mapping[int, Call]  # by the id of a tensor


def split_model(
    model: keras.Model, precision: Precision, values: bool
) -> tuple[keras.Model | None, keras.Model, keras.Model | None]:
    """Float prefix, integer part and float suffix of a model; each reads the outputs of the one before.

    There is no prefix if one scale is fine enough for all features, and no suffix if the outputs are not `values`.
    """
    graph = graph_of(model)
    assert graph is not None
    producers = {id(tensor): call for call in graph.calls for tensor in call.outputs}
    inside: dict[int, bool] = {}  # by the id of a tensor: whether it belongs to the prefix
    between: dict[int, keras.KerasTensor] = {}
    unequal = []

    def visit(tensor: keras.KerasTensor) -> bool:
        if id(tensor) not in inside:
            operation, sources = producers[id(tensor)].operation, producers[id(tensor)].inputs
            within = [visit(source) for source in sources]
            inside[id(tensor)] = all(within) and (not sources or _by_feature(operation, sources, precision))
            if not inside[id(tensor)]:
                between.update({id(source): source for source, is_in in zip(sources, within, strict=True) if is_in})
            else:
                unequal.append(_unequal(operation))
        return inside[id(tensor)]

    if visit(graph.outputs[0]):
        return None, model, None
    inputs, outputs, prefix, suffix = graph.inputs[0], graph.outputs[0], None, None
    if precision.float_prefix and "float" in inputs.dtype and any(unequal):
        prefix, inputs = keras.Model(inputs, list(between.values())), list(between.values())
    last = _last_features(outputs, producers) if values and precision.float_suffix else None
    if last is not None and not inside[id(last)]:  # otherwise nothing would be left for integers
        suffix, outputs = keras.Model(last, outputs), last
    if prefix is None and suffix is None:
        return None, model, None
    return prefix, keras.Model(inputs, outputs, name=model.name), suffix


def joined(first: bytes, second: bytes) -> bytes:
    """Merges two .tflite files: outputs of the first signature feed the inputs of the same name of the second.

    The same parts give the same bytes.
    """
    model, other = read_model(first), read_model(second)
    (graph,), (further,) = model.subgraphs, other.subgraphs
    (signature,), (reading,) = model.signatureDefs, other.signatureDefs
    given = {entry.name: entry.tensorIndex for entry in signature.outputs}
    shared = {entry.tensorIndex: given[entry.name] for entry in reading.inputs if entry.name in given}
    rest = [i for i in range(len(further.tensors)) if i not in shared]
    moved = {-1: -1, **shared, **{i: len(graph.tensors) + n for n, i in enumerate(rest)}}

    for tensor in further.tensors:
        tensor.buffer = tensor.buffer and tensor.buffer + len(model.buffers)  # 0 stands for tensors without data
    for operator in further.operators:
        operator.opcodeIndex += len(model.operatorCodes)
        for role in ("inputs", "outputs", "intermediates"):
            if (tensors := getattr(operator, role)) is not None:
                setattr(operator, role, [moved[i] for i in tensors])
    for entry in (*reading.inputs, *reading.outputs):
        entry.tensorIndex = moved[entry.tensorIndex]
    model.buffers += other.buffers
    model.operatorCodes += other.operatorCodes
    model.metadata = []  # the converter's notes on one of the parts
    graph.tensors += [further.tensors[i] for i in rest]
    graph.operators += further.operators
    inner = set(shared.values())
    graph.inputs = [*graph.inputs, *(moved[i] for i in further.inputs if i not in shared)]
    graph.outputs = [*(i for i in graph.outputs if i not in inner), *(moved[i] for i in further.outputs)]
    signature.inputs += [entry for entry in reading.inputs if entry.tensorIndex not in inner]
    signature.outputs = [entry for entry in signature.outputs if entry.tensorIndex not in inner] + reading.outputs
    return packed(model)


def _last_features(tensor: keras.KerasTensor, producers: Producers) -> keras.KerasTensor | None:
    """The input of the last Dense layer, if a tensor is the layer's output, rescaled or not."""
    operation, sources = producers[id(tensor)].operation, producers[id(tensor)].inputs
    if isinstance(operation, keras.layers.Dense):
        fused = operation.activation in (keras.activations.linear, keras.activations.relu)
        return sources[0] if fused else None
    return _last_features(sources[0], producers) if isinstance(operation, VALUE_BY_VALUE) else None


def _by_feature(operation, sources, precision: Precision) -> bool:
    if isinstance(operation, keras.layers.Embedding):
        return not (precision.integer_codes and "int" in sources[0].dtype)
    layers = layers_of(operation) if isinstance(operation, keras.Model) else [operation]
    return all(isinstance(layer, FEATURE_BY_FEATURE) or type(layer).__name__ in INDEXING_AND_MASKS for layer in layers)


def _unequal(operation) -> bool:
    """Whether one scale is too coarse for some of an operation's input features: codes, or by its statistics."""
    if isinstance(operation, keras.Model):
        return any(map(_unequal, layers_of(operation)))
    if isinstance(operation, keras.layers.Normalization):
        mean, variance = operation.mean, operation.variance
    elif isinstance(operation, keras.layers.BatchNormalization):
        mean, variance = operation.moving_mean, operation.moving_variance
    else:
        return isinstance(operation, keras.layers.Embedding) or getattr(operation, "last", None) is not None
    mean, deviation = np.asarray(mean), np.sqrt(np.asarray(variance))
    low, high = np.min(mean - 3 * deviation), np.max(mean + 3 * deviation)
    # A quantized range always includes 0.
    return bool(max(high, 0) - min(low, 0) > LOST * 6 * deviation.min())
