"""The start of a model that treats every feature by itself, kept in float32 at the start of an integer file.

The converter quantizes a file's input with one scale for all features: beside a column of thousands, one between 0 and
1 becomes a single number, and category codes run into each other. What comes behind, a normalization say, is too late.
So where that would cost, the model is cut in two behind this start; each part is converted for itself, the first one
in float32, and `joined` makes one file of both. Pictures, whose features share one range, stay integers throughout.
"""

import keras
import numpy as np

from zoo.conversion.inference import layers_of
from zoo.metadata import packed
from zoo.models.fnn import Columns
from zoo.targets import read_model

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
LOST = 2  # how many times coarser the one scale may be than a scale for each feature


Parts = tuple[keras.Model, keras.Model]


def cut(model: keras.Model, integer_codes: bool) -> Parts | None:
    """The model in two, what the first one gives the second takes; None where its features do well with one scale.

    Args:
        integer_codes: whether the second part may begin with the codes of categories, so that it holds their
            embeddings in int8; otherwise they stay in the first one.
    """
    inside: dict[int, bool] = {}  # of tensors, by id: whether they belong to the start
    between: dict[int, keras.KerasTensor] = {}
    unequal = []

    def visit(tensor: keras.KerasTensor) -> bool:
        if id(tensor) not in inside:
            operation, node, _ = tensor._keras_history
            sources = operation._inbound_nodes[node].input_tensors
            within = [visit(source) for source in sources]
            inside[id(tensor)] = all(within) and (not sources or _by_feature(operation, sources, integer_codes))
            if not inside[id(tensor)]:
                between.update({id(source): source for source, is_in in zip(sources, within, strict=True) if is_in})
            else:
                unequal.append(_unequal(operation))
        return inside[id(tensor)]

    if "float" not in model.inputs[0].dtype or visit(model.outputs[0]) or not any(unequal):
        return None
    tensors = list(between.values())
    return keras.Model(model.inputs[0], tensors), keras.Model(tensors, model.outputs[0], name=model.name)


def joined(front: bytes, back: bytes) -> bytes:
    """One .tflite file of both parts: what the signature of `front` gives goes into the inputs of that name of `back`.

    The same parts give the same bytes.
    """
    first, model = read_model(front), read_model(back)
    (start,), graph = first.subgraphs, model.subgraphs[0]
    (giving,), (taking,) = first.signatureDefs, model.signatureDefs
    given = {entry.name: entry.tensorIndex for entry in giving.outputs}
    place = {entry.tensorIndex: given[entry.name] for entry in taking.inputs if entry.name in given}
    rest = [i for i in range(len(graph.tensors)) if i not in place]
    moved = {-1: -1, **place, **{i: len(start.tensors) + n for n, i in enumerate(rest)}}

    for tensor in start.tensors:
        tensor.buffer = tensor.buffer and tensor.buffer + len(model.buffers)  # 0 is that of all without data
    for operator in start.operators:
        operator.opcodeIndex += len(model.operatorCodes)
    for operator in graph.operators:
        for role in ("inputs", "outputs", "intermediates"):
            if (tensors := getattr(operator, role)) is not None:
                setattr(operator, role, [moved[i] for i in tensors])
    model.buffers += first.buffers
    model.operatorCodes += first.operatorCodes
    graph.inputs = [*start.inputs, *(moved[i] for i in graph.inputs if i not in place)]
    graph.outputs = [moved[i] for i in graph.outputs]
    graph.tensors = [*start.tensors, *(graph.tensors[i] for i in rest)]
    graph.operators = [*start.operators, *graph.operators]
    taking.inputs = [entry for entry in taking.inputs if entry.tensorIndex not in place]
    for entry in (*taking.inputs, *taking.outputs):
        entry.tensorIndex = moved[entry.tensorIndex]
    taking.inputs = [*giving.inputs, *taking.inputs]
    return packed(model)


def _by_feature(operation, sources, integer_codes: bool) -> bool:
    if isinstance(operation, keras.layers.Embedding):
        return not (integer_codes and "int" in sources[0].dtype)
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
