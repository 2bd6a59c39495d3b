"""What an integer file keeps in float32: the start that treats each feature by itself, and the end that gives values.

The converter quantizes a file's input with one scale for all features: beside a column of thousands, one between 0 and
1 becomes a single number, and category codes run into each other. What comes behind, a normalization say, is too late.
So where that would cost, integers begin behind this start; pictures, whose features share one range, stay integers
throughout. An int8 output has 256 answers over its whole range: enough to tell classes apart, too few for a price. So
the last layer of values takes integers and gives real numbers.

The model is cut where integers begin and end, each part is converted for itself, and `joined` makes one file of them.
"""

import keras
import numpy as np

from zoo.exporting.inference import layers_of
from zoo.exporting.metadata import packed
from zoo.exporting.precisions import Precision
from zoo.models.fnn import Columns
from zoo.runtime.targets import read_model

# What changes each feature by itself, or moves it.
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
# Without public names: the class of `x[:, 2:]`, and those of which Keras makes the mask of padded steps.
OPERATIONS = ("GetItem", "NotEqual", "Any")
VALUE_BY_VALUE = (keras.layers.Rescaling, keras.layers.Identity, keras.layers.Flatten, keras.layers.Reshape)
LOST = 2  # how many times coarser the one scale may be than a scale for each feature

Parts = tuple[keras.Model | None, keras.Model, keras.Model | None]


def parted(model: keras.Model, precision: Precision, values: bool) -> Parts:
    """Start, integers and end of a model, each of which takes what the one before gives.

    There is no start where one scale does for all features, and no end where the outputs are not `values`.
    """
    inside: dict[int, bool] = {}  # of tensors, by id: whether they belong to the start
    between: dict[int, keras.KerasTensor] = {}
    unequal = []

    def visit(tensor: keras.KerasTensor) -> bool:
        if id(tensor) not in inside:
            operation, sources = _made_by(tensor)
            within = [visit(source) for source in sources]
            inside[id(tensor)] = all(within) and (not sources or _by_feature(operation, sources, precision))
            if not inside[id(tensor)]:
                between.update({id(source): source for source, is_in in zip(sources, within, strict=True) if is_in})
            else:
                unequal.append(_unequal(operation))
        return inside[id(tensor)]

    if visit(model.outputs[0]):
        return None, model, None
    inputs, outputs, start, end = model.inputs[0], model.outputs[0], None, None
    if precision.real_start and "float" in inputs.dtype and any(unequal):
        start, inputs = keras.Model(inputs, list(between.values())), list(between.values())
    last = _last_features(outputs) if values and precision.real_end else None
    if last is not None and not inside[id(last)]:  # otherwise nothing would be left for integers
        end, outputs = keras.Model(last, outputs), last
    if start is None and end is None:
        return None, model, None
    return start, keras.Model(inputs, outputs, name=model.name), end


def joined(first: bytes, second: bytes) -> bytes:
    """One .tflite file of two: what the first one's signature gives goes into the inputs of that name of the second.

    The same parts give the same bytes.
    """
    model, behind = read_model(first), read_model(second)
    (graph,), (further,) = model.subgraphs, behind.subgraphs
    (signature,), (taking,) = model.signatureDefs, behind.signatureDefs
    given = {entry.name: entry.tensorIndex for entry in signature.outputs}
    place = {entry.tensorIndex: given[entry.name] for entry in taking.inputs if entry.name in given}
    rest = [i for i in range(len(further.tensors)) if i not in place]
    moved = {-1: -1, **place, **{i: len(graph.tensors) + n for n, i in enumerate(rest)}}

    for tensor in further.tensors:
        tensor.buffer = tensor.buffer and tensor.buffer + len(model.buffers)  # 0 is that of all without data
    for operator in further.operators:
        operator.opcodeIndex += len(model.operatorCodes)
        for role in ("inputs", "outputs", "intermediates"):
            if (tensors := getattr(operator, role)) is not None:
                setattr(operator, role, [moved[i] for i in tensors])
    for entry in (*taking.inputs, *taking.outputs):
        entry.tensorIndex = moved[entry.tensorIndex]
    model.buffers += behind.buffers
    model.operatorCodes += behind.operatorCodes
    model.metadata = []  # what the converter noted of one of them
    graph.tensors += [further.tensors[i] for i in rest]
    graph.operators += further.operators
    passed = set(place.values())
    graph.inputs = [*graph.inputs, *(moved[i] for i in further.inputs if i not in place)]
    graph.outputs = [*(i for i in graph.outputs if i not in passed), *(moved[i] for i in further.outputs)]
    signature.inputs += [entry for entry in taking.inputs if entry.tensorIndex not in passed]
    signature.outputs = [entry for entry in signature.outputs if entry.tensorIndex not in passed] + taking.outputs
    return packed(model)


def _made_by(tensor: keras.KerasTensor):
    """The operation that gives a tensor, and the tensors that it reads."""
    operation, node, _ = tensor._keras_history
    return operation, operation._inbound_nodes[node].input_tensors


def _last_features(tensor: keras.KerasTensor) -> keras.KerasTensor | None:
    """What the last Dense reads, where a tensor is its output, or that in another unit."""
    operation, sources = _made_by(tensor)
    if isinstance(operation, keras.layers.Dense):
        fused = operation.activation in (keras.activations.linear, keras.activations.relu)
        return sources[0] if fused else None
    return _last_features(sources[0]) if isinstance(operation, VALUE_BY_VALUE) else None


def _by_feature(operation, sources, precision: Precision) -> bool:
    if isinstance(operation, keras.layers.Embedding):
        return not (precision.integer_codes and "int" in sources[0].dtype)
    layers = layers_of(operation) if isinstance(operation, keras.Model) else [operation]
    return all(isinstance(layer, FEATURE_BY_FEATURE) or type(layer).__name__ in OPERATIONS for layer in layers)


def _unequal(operation) -> bool:
    """Whether one scale is too coarse for some of the features that it reads: for codes, or by its own statistics."""
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
    # A scale has an exact 0, so that its range holds 0 too.
    return bool(max(high, 0) - min(low, 0) > LOST * 6 * deviation.min())
