"""What a model costs before it has run: parameters and multiply-accumulates (MACs) by layer, by formula.

A MAC is one product and one addition of a matrix product, convolutions and the products inside of recurrent cells
included; a FLOP count is twice as large. As in the literature, padded positions are counted, and elementwise work
(biases, activations, normalization, pooling, gates) is not. Nothing is traced or run: counting takes milliseconds.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import keras
from keras import layers

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
        macs: of one sample, of all its calls; None if they depend on an open length, or no formula is known.
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
        return _sum(layer.macs for layer in self.layers)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "parameters": self.parameters, "macs": self.macs}

    def __str__(self) -> str:
        rows = [["LAYER", "KIND", "OUTPUT", "PARAMETERS", "MACS"]]
        for layer in self.layers:
            shape = ", ".join("any" if n is None else str(n) for n in layer.output_shape)
            rows.append([layer.name, layer.kind, f"({shape})", f"{layer.parameters:,}", _number(layer.macs)])
        rows.append(["total", "", "", f"{self.parameters:,}", _number(self.macs)])
        parts = [self.model, plain_table(rows, right=(3, 4))]
        unknown = {layer.name: layer.kind for layer in self.layers if layer.macs is None}
        if unknown and any(None in layer.output_shape for layer in self.layers if layer.kind == "InputLayer"):
            parts.append(f"MACs of {', '.join(unknown)} depend on the length of a sample, which is open: give steps.")
        else:
            known = "are not known: {} has no formula in zoo/models/cost.py."
            parts += [f"MACs of {name} {known.format(kind)}" for name, kind in unknown.items()]
        if self.files:
            sizes = [["FILE", "PRECISION", "BYTES", "ARENA"]]
            sizes += [[f.file, f.precision, f"{f.bytes:,}", _number(f.arena_bytes)] for f in self.files]
            parts.append("\n" + plain_table(sizes, right=(2, 3)))
        return "\n".join(parts)


def costs(model: keras.Model, *, steps: int | None = None, files: Sequence[FileCost] = ()) -> Summary:
    """Parameters and MACs of each layer of a Functional or Sequential model.

    Args:
        steps: the length of a sample, if the model leaves it open; without it, MACs that depend on it are None.
        files: to show beside the layers.

    Raises ValueError for a model without a graph of layers, or for steps of a model whose lengths are fixed.
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
            fixed = f"{model.name} reads {', '.join(str(shape[1:]) for shape in shapes)}"
            raise InvalidValue(f"steps={steps} goes with samples of any length; {fixed}: leave it out")
        shapes = [(shape[0], *(steps if n is None else n for n in shape[1:])) for shape in shapes]
    costs_of: dict[str, LayerCost] = {}
    counted: set[int] = set()  # variables
    for name, operation, output, macs in _calls(model, shapes):
        weights = [w for w in getattr(operation, "weights", []) if id(w) not in counted]
        counted.update(map(id, weights))
        before = costs_of.get(name, LayerCost("", "", (), 0, 0))  # of earlier calls of the same layer
        parameters = before.parameters + sum(math.prod(w.shape) for w in weights)
        costs_of[name] = LayerCost(name, type(operation).__name__, output[1:], parameters, _sum((before.macs, macs)))
    own = sum(math.prod(w.shape) for w in model.weights if id(w) not in counted)
    if own:
        costs_of[model.name] = LayerCost(model.name, type(model).__name__, (), own, None)
    return Summary(model.name, tuple(costs_of.values()), tuple(files))


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
            if isinstance(operation, Views | MeanOfViews):
                views = operation.count if isinstance(operation, Views) else 1
            macs = _sum([_macs(operation, shapes, output)] * views)
            if macs != 0 or isinstance(operation, keras.layers.Layer):  # no operations that only reshape, compare, add
                yield name, operation, output, macs


def _macs(operation: Any, inputs: Sequence[Shape], output: Shape) -> int | None:
    """Of one call, for one sample."""
    if isinstance(operation, keras.Model):
        if graph_of(operation) is None:
            return None
        return _sum(macs for *_, macs in _calls(operation, inputs))
    formula = next((formula for kinds, formula in FORMULAS if isinstance(operation, kinds)), None)
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


# Formulas: the shapes are those of one sample.


def _convolution(layer: Any, inputs: Shape, output: Shape) -> int:
    """At each position of the output, the kernel over the channels of a group, once a filter."""
    return math.prod(output) * math.prod(layer.kernel_size) * (_channels(layer, inputs) // layer.groups)


def _separable(layer: Any, inputs: Shape, output: Shape) -> int:
    positions = math.prod(output) // _channels(layer, output)
    between = _channels(layer, inputs) * layer.depth_multiplier
    return positions * between * (math.prod(layer.kernel_size) + layer.filters)


def _channels(layer: Any, shape: Shape) -> int:
    return shape[0] if layer.data_format == "channels_first" else shape[-1]


def _recurrent(layer: Any, inputs: Shape, output: Shape) -> int | None:
    return _times(inputs[0], _cell(layer.cell, inputs[-1])) if len(inputs) == 2 else None


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
    return _times(inputs[0], _macs(layer.layer, [(None, *inputs[1:])], (None, *output[1:])))


def _times(count: int, macs: int | None) -> int | None:
    return None if macs is None else count * macs


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(known)  # type: ignore[arg-type]


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


PRODUCTS_OF_CELLS = {layers.SimpleRNNCell: 1, layers.GRUCell: 3, layers.LSTMCell: 4}
# Subclasses are counted likewise: MaskedConv1D as Conv1D; SimpleRNN, LSTM and GRU as RNN.
FORMULAS: tuple[tuple[tuple[type, ...], Callable[[Any, Shape, Shape], int | None]], ...] = (
    ((layers.Dense,), lambda layer, inputs, output: inputs[-1] * math.prod(output)),
    ((layers.Conv1D, layers.Conv2D, layers.Conv3D), _convolution),
    (
        (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),  # spread each input over a kernel
        lambda layer, inputs, output: math.prod(inputs) * math.prod(layer.kernel_size) * layer.filters,
    ),
    (
        (layers.DepthwiseConv1D, layers.DepthwiseConv2D),
        lambda layer, inputs, output: math.prod(output) * math.prod(layer.kernel_size),
    ),
    ((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    ((layers.RNN,), _recurrent),
    ((layers.Bidirectional,), _both_ways),
    ((layers.TimeDistributed,), _at_each_step),
    (
        (AttentionPooling,),  # W x and u . v at each step, and the weighted sum of the steps
        lambda layer, inputs, output: inputs[0] * (inputs[1] * layer.units + layer.units + inputs[1]),
    ),
)
# Layers whose weights have two axes and more and act by element, or pick a row.
BY_ELEMENT = (
    *(layers.Embedding, layers.PReLU, layers.Normalization),
    *(layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization),
)
