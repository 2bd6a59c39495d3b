"""The private names of Keras that zoo uses, each with a public fallback that gives the same result, more slowly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

NODES_BY_DEPTH = "_nodes_by_depth"  # of a Functional model
FUNCTIONAL = "_functional"  # the Functional model inside of a Sequential one

# Classes of operations without public names: `x[:, 2:]`, and those that compute the mask of padded steps.
INDEXING_AND_MASKS = ("GetItem", "NotEqual", "Any")
# Layers and operations that multiply matrices, or compute anything at all, without weights that would show it.
MATRIX_PRODUCTS = (
    *("Dot", "Attention", "AdditiveAttention", "Lambda", "STFTSpectrogram", "MelSpectrogram"),
    *("Matmul", "Einsum", "Tensordot", "Inner", "Outer", "Vdot", "Conv", "ConvTranspose", "DepthwiseConv"),
    "SeparableConv",
)


@dataclass(frozen=True)
class Call:
    """One call of an operation in a model's graph; without arguments for an input."""

    operation: Any
    args: Sequence[Any]
    kwargs: dict[str, Any]
    outputs: Sequence[keras.KerasTensor]

    @property
    def inputs(self) -> list[keras.KerasTensor]:
        return [x for x in keras.tree.flatten((self.args, self.kwargs)) if isinstance(x, keras.KerasTensor)]

    def arguments(self, tensors: Mapping[int, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """The arguments with other tensors, by the id of those in the graph."""
        return keras.tree.map_structure(lambda x: tensors.get(id(x), x), (self.args, self.kwargs))


@dataclass(frozen=True)
class Graph:
    """The calls of a model in the order of computation, and its tensors."""

    inputs: Sequence[keras.KerasTensor]
    outputs: Sequence[keras.KerasTensor]
    calls: Sequence[Call]


def is_graph(model: Any) -> bool:
    """Whether the layers of a model can be replaced: it is Functional or Sequential, not subclassed."""
    return isinstance(model, keras.Sequential) or (
        isinstance(model, keras.Model)
        and type(model).__module__.split(".")[0] == "keras"
        and all(hasattr(model, name) for name in ("operations", "input_spec"))
    )


def graph_of(model: keras.Model) -> Graph | None:
    """The graph of a Functional model, or of a Sequential one with an input; None for other models."""
    functional = getattr(model, FUNCTIONAL, None) or model
    nodes = getattr(functional, NODES_BY_DEPTH, None)
    if nodes is None:
        return _replayed(model)
    calls = [
        Call(node.operation, (), {}, node.outputs)
        if node.is_input
        else Call(node.operation, node.arguments.args, node.arguments.kwargs, node.outputs)
        for depth in sorted(nodes, reverse=True)
        for node in nodes[depth]
    ]
    return Graph(functional.inputs, functional.outputs, calls)


def _replayed(model: keras.Model) -> Graph | None:
    """The same by calling the operations once more, on new symbolic inputs; weights are shared."""
    sequential = isinstance(model, keras.Sequential)
    if not getattr(model, "inputs", None) or not (sequential or hasattr(model, "operations")):
        return None
    if sequential:
        names = [model.get_config()["layers"][0]["config"]["name"]]
    else:
        layers = [layer for layer in model.operations if isinstance(layer, keras.layers.InputLayer)]
        names = [next(layer.name for layer in layers if layer.output is tensor) for tensor in model.inputs]
    sources = [
        keras.layers.InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
        for tensor, name in zip(model.inputs, names, strict=True)
    ]
    calls: list[Call] = []

    def call(operation, *args, **kwargs):
        outputs = operation(*args, **kwargs)
        calls.append(Call(operation, args, kwargs, keras.tree.flatten(outputs)))
        return outputs

    inputs = [layer.output for layer in sources]
    if sequential:
        outputs = inputs[0]
        for layer in model.layers:
            outputs = call(layer, outputs)
        order = {id(layer): i for i, layer in enumerate([*sources, *model.layers])}
    else:
        structure = keras.tree.pack_sequence_as(model.input, inputs)
        copy = keras.models.clone_model(model, structure, clone_function=lambda layer: layer, call_function=call)
        outputs = copy.outputs
        order = {id(operation): i for i, operation in enumerate(copy.operations)}
    for layer in sources:
        later = (i for i, made in enumerate(calls) if order[id(made.operation)] > order[id(layer)])
        calls.insert(next(later, len(calls)), Call(layer, (), {}, [layer.output]))
    return Graph(inputs, keras.tree.flatten(outputs), calls)


def flatten_layers(layer: keras.Layer) -> list[keras.Layer]:
    """A model or layer, and all layers inside it at any depth, each once."""
    try:
        return list(layer._flatten_layers())
    except AttributeError:
        return list(_inside(layer, {}).values())


def _inside(layer: keras.Layer, found: dict[int, keras.Layer]) -> dict[int, keras.Layer]:
    found[id(layer)] = layer
    values = layer.layers if isinstance(layer, keras.Model) else list(vars(layer).values())
    for value in [v for each in values for v in (each if isinstance(each, list | tuple) else [each])]:
        if isinstance(value, keras.Layer) and id(value) not in found:
            _inside(value, found)
    return found


def learning_rate(optimizer: keras.optimizers.Optimizer) -> Any:
    """The variable, or the schedule; without the private name, a schedule's present value."""
    try:
        return optimizer._learning_rate
    except AttributeError:
        return optimizer.learning_rate
