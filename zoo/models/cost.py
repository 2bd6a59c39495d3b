"""What a model costs before it has run: parameters and multiply-accumulates (MACs) by layer, by formula.

A MAC is one product and one addition of a matrix product, convolutions and the products inside of recurrent cells
included; a FLOP count is twice as large. Positions that only pad an image or a series are counted, as the kernels
compute them and as the literature counts. What goes by element (biases, activations, normalization, pooling, the gates
of a cell) is left out, as it is there. So is what acts in training alone.

Shapes that Keras knows are read, nothing is traced and nothing runs: counting takes milliseconds.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import keras

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.base.keras_internals import MATRIX_PRODUCTS, graph_of
from zoo.base.tables import plain_table
from zoo.models.sequences import AttentionPooling
from zoo.models.views import MeanOfViews, Views

Shape: TypeAlias = tuple[Any, ...]  # with the batch, None where an axis is open


@dataclass(frozen=True)
class LayerCost:
    """One layer.

    Attributes:
        name: those of nested models are `model/layer`. kind: its class.
        output_shape: of one sample.
        parameters: that it does not share with a layer above.
        macs: of one sample, of all its calls; None where that hangs on an open length, or where no formula is known.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int
    macs: int | None


@dataclass(frozen=True)
class FileCost:
    """One exported file, as measured: its size, and the arena that LiteRT Micro needs (target "micro" alone)."""

    file: str
    precision: str
    bytes: int
    arena_bytes: int | None


@dataclass(frozen=True)
class Summary:
    """A model's cost by layer, and what was measured on its files where it was exported. `print` shows a table."""

    model: str
    layers: tuple[LayerCost, ...]
    files: tuple[FileCost, ...] = ()

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int | None:
        """Of one sample; None where those of a layer are not known."""
        counts = [layer.macs for layer in self.layers]
        return None if None in counts else sum(counts)  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "parameters": self.parameters, "macs": self.macs}

    def __str__(self) -> str:
        rows = [["LAYER", "KIND", "OUTPUT", "PARAMETERS", "MACS"]]
        for layer in self.layers:
            shape = ", ".join("any" if n is None else str(n) for n in layer.output_shape)
            rows.append([layer.name, layer.kind, f"({shape})", f"{layer.parameters:,}", _number(layer.macs)])
        rows.append(["total", "", "", f"{self.parameters:,}", _number(self.macs)])
        parts = [self.model, plain_table(rows, right=(3, 4))]
        unknown = [layer for layer in self.layers if layer.macs is None]
        if unknown and any(None in layer.output_shape for layer in self.layers if layer.kind == "InputLayer"):
            names = ", ".join(layer.name for layer in unknown)
            parts.append(f"MACs of {names} hang on the length of a sample, which is open: give steps.")
        else:
            parts += [f"MACs of {x.name} are not known: {x.kind} has no formula in models/cost.py." for x in unknown]
        if self.files:
            sizes = [["FILE", "PRECISION", "BYTES", "ARENA"]]
            sizes += [[f.file, f.precision, f"{f.bytes:,}", _number(f.arena_bytes)] for f in self.files]
            parts.append("\n" + plain_table(sizes, right=(2, 3)))
        return "\n".join(parts)


def costs(model: keras.Model, *, steps: int | None = None, files: Sequence[FileCost] = ()) -> Summary:
    """Parameters and MACs of each layer of a Functional or Sequential model.

    Args:
        steps: the length of a sample, where the model leaves that open; without it, MACs that hang on it are None.
        files: to show beside the layers.

    Raises:
        ValueError: a model without a graph of layers, or steps of a model whose lengths are fixed.
    """
    if graph_of(model) is None:
        raise InvalidValue(
            f"model={model.name!r} ({type(model).__name__}) has no graph of layers to count: it must be Functional, or "
            "a Sequential with an Input"
        )
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if steps is not None:
        steps = check_size("steps", steps)
        if not any(None in shape[1:] for shape in shapes):
            fixed = ", ".join(str(shape[1:]) for shape in shapes)
            raise InvalidValue(
                f"steps={steps} goes with samples of any length; {model.name} reads {fixed}: leave it out"
            )
        shapes = [(shape[0], *(steps if n is None else n for n in shape[1:])) for shape in shapes]
    layers: dict[str, LayerCost] = {}
    counted: set[int] = set()  # variables
    for name, operation, output, macs in _calls(model, shapes):
        weights = [w for w in getattr(operation, "weights", []) if id(w) not in counted]
        counted.update(map(id, weights))
        parameters = sum(math.prod(w.shape) for w in weights)
        total = macs
        if name in layers:  # a layer that is called more than once: its weights are there once
            before = layers[name]
            parameters += before.parameters
            total = _sum((before.macs, macs))
        layers[name] = LayerCost(name, type(operation).__name__, output[1:], parameters, total)
    own = sum(math.prod(w.shape) for w in model.weights if id(w) not in counted)
    if own:
        layers[model.name] = LayerCost(model.name, type(model).__name__, (), own, None)
    return Summary(model.name, tuple(layers.values()), tuple(files))


def _calls(model: keras.Model, inputs: Sequence[Shape], prefix: str = "") -> Iterator[tuple[str, Any, Shape, Any]]:
    """Name, operation, output shape and MACs of each call in a model's graph, those of nested models too."""
    graph = graph_of(model)
    assert graph is not None
    tensors = {
        id(tensor): keras.KerasTensor(shape, tensor.dtype) for tensor, shape in zip(graph.inputs, inputs, strict=True)
    }
    views = 1  # of each sample, that go through the layers
    for call in graph.calls:
        operation = call.operation
        name = prefix + operation.name
        if not call.inputs:
            if not prefix:
                yield name, operation, tuple(tensors[id(call.outputs[0])].shape), 0
            continue
        read = [tensors[id(tensor)] for tensor in call.inputs]
        made = call.outputs
        if any(a.shape != b.shape for a, b in zip(read, call.inputs, strict=True)):
            # The length was open when the model was built, so the shapes that Keras stores are open too.
            args, kwargs = call.arguments(tensors)
            made = keras.tree.flatten(operation.compute_output_spec(*args, **kwargs))
        tensors |= {id(tensor): known for tensor, known in zip(call.outputs, made, strict=True)}
        shapes = [tuple(tensor.shape) for tensor in read]
        output = tuple(made[0].shape)
        if isinstance(operation, keras.Model) and graph_of(operation) is not None:
            yield from _calls(operation, shapes, f"{name}/")
        else:
            if isinstance(operation, Views):
                views = operation.count
            elif isinstance(operation, MeanOfViews):
                views = 1
            macs = _sum([_macs(operation, shapes, output)] * views)
            if macs != 0 or isinstance(operation, keras.layers.Layer):  # no operations that only reshape, compare, add
                yield name, operation, output, macs


def _macs(operation: Any, inputs: Sequence[Shape], output: Shape) -> int | None:
    """Of one call, for one sample."""
    if isinstance(operation, keras.Model):
        if graph_of(operation) is None:
            return None
        return _sum(macs for *_, macs in _calls(operation, inputs))
    formula = next((FORMULAS[kind] for kind in type(operation).__mro__ if kind in FORMULAS), None)
    if formula is None:
        return 0 if _has_no_products(operation) else None
    sizes_known = None not in inputs[0][1:] and None not in output[1:]
    return formula(operation, inputs[0][1:], output[1:]) if sizes_known else None


def _has_no_products(operation: Any) -> bool:
    """Whether what has no formula needs none: it is Keras' or ours, and neither its kind nor a matrix speaks of one."""
    kind = type(operation)
    if kind.__module__.split(".")[0] not in ("keras", "zoo") or kind.__name__ in MATRIX_PRODUCTS:
        return False
    matrices = any(len(weight.shape) > 1 for weight in getattr(operation, "weights", []))
    return not matrices or isinstance(operation, BY_ELEMENT)


# Below, shapes are those of one sample.


def _dense(layer: Any, inputs: Shape, output: Shape) -> int:
    return inputs[-1] * math.prod(output)


def _convolution(layer: Any, inputs: Shape, output: Shape) -> int:
    """At each position of the output, the kernel over the channels of a group, once a filter."""
    channels, _ = _channels_and_space(layer, inputs)
    return math.prod(output) * math.prod(layer.kernel_size) * (channels // layer.groups)


def _transposed(layer: Any, inputs: Shape, output: Shape) -> int:
    """Each position of the input is spread over a kernel."""
    return math.prod(inputs) * math.prod(layer.kernel_size) * layer.filters


def _depthwise(layer: Any, inputs: Shape, output: Shape) -> int:
    return math.prod(output) * math.prod(layer.kernel_size)


def _separable(layer: Any, inputs: Shape, output: Shape) -> int:
    channels, _ = _channels_and_space(layer, inputs)
    _, space = _channels_and_space(layer, output)
    between = channels * layer.depth_multiplier
    return space * between * (math.prod(layer.kernel_size) + layer.filters)


def _channels_and_space(layer: Any, shape: Shape) -> tuple[int, int]:
    channels = shape[0] if layer.data_format == "channels_first" else shape[-1]
    return channels, math.prod(shape) // channels


def _recurrent(layer: Any, inputs: Shape, output: Shape) -> int | None:
    steps, features = inputs[0], inputs[-1]
    each = _cell(layer.cell, features) if len(inputs) == 2 else None
    return None if each is None else steps * each


def _cell(cell: Any, features: int) -> int | None:
    """Of one step: each gate reads the input and the state. A GRU's reset gate acts by element, before or after."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        sizes = [features, *(inner.units for inner in cell.cells if hasattr(inner, "units"))]
        return _sum(_cell(inner, size) for inner, size in zip(cell.cells, sizes, strict=False))
    products = next((count for kind, count in PRODUCTS_OF_CELLS.items() if isinstance(cell, kind)), None)
    return None if products is None else products * cell.units * (features + cell.units)


def _both_ways(layer: Any, inputs: Shape, output: Shape) -> int | None:
    return _sum(_macs(way, [(None, *inputs)], (None, *output)) for way in (layer.forward_layer, layer.backward_layer))


def _at_each_step(layer: Any, inputs: Shape, output: Shape) -> int | None:
    each = _macs(layer.layer, [(None, *inputs[1:])], (None, *output[1:]))
    return None if each is None else inputs[0] * each


def _attention_pooling(layer: Any, inputs: Shape, output: Shape) -> int:
    """u = tanh(W x + b) and u . v at each step, and the steps by their weights, which is a product too."""
    steps, channels = inputs
    return steps * (channels * layer.units + layer.units + channels)


def _sum(counts: Any) -> int | None:
    counts = list(counts)
    return None if None in counts else sum(counts)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


PRODUCTS_OF_CELLS = {keras.layers.SimpleRNNCell: 1, keras.layers.GRUCell: 3, keras.layers.LSTMCell: 4}
# A subclass is counted as the class it comes from, MaskedConv1D as Conv1D.
FORMULAS: dict[type, Callable[[Any, Shape, Shape], int | None]] = {
    keras.layers.Dense: _dense,
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    keras.layers.Conv3D: _convolution,
    keras.layers.Conv1DTranspose: _transposed,
    keras.layers.Conv2DTranspose: _transposed,
    keras.layers.Conv3DTranspose: _transposed,
    keras.layers.DepthwiseConv1D: _depthwise,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.SeparableConv1D: _separable,
    keras.layers.SeparableConv2D: _separable,
    keras.layers.RNN: _recurrent,  # SimpleRNN, LSTM and GRU among them
    keras.layers.Bidirectional: _both_ways,
    keras.layers.TimeDistributed: _at_each_step,
    AttentionPooling: _attention_pooling,
}
# Layers whose weights have two axes and more and act by element, or pick a row.
BY_ELEMENT = (
    keras.layers.Embedding,
    keras.layers.PReLU,
    keras.layers.Normalization,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
)
