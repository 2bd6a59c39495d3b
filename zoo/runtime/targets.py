"""TARGETS, the runtimes that a file may be made for, and `incompatibility`, which says why a file cannot run on one.

A file without incompatibilities contains nothing that its target is known to lack. Only running it proves more:
zoo/deploy.py for LiteRT, zoo/runtime/micro.py for LiteRT Micro, zoo/runtime/browser.py for LiteRT.js.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.base.errors import InvalidValue

# The builtin ops that tflite-micro 0.dev20261023182759 registers. tests/targets checks each with the package itself.
MICRO_OPS = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS
    BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV
    DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED
    GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG
    LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG
    NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND
    SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE
    TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE ZEROS_LIKE
    """.split()  # noqa: SIM905  (a list of strings would take a hundred lines)
)
# Ops of a float prefix of integer files: each output depends on one feature, or, of a mask, on one step.
FEATURE_BY_FEATURE = frozenset(
    """
    ADD CAST CONCATENATION DIV GATHER GREATER LESS MAXIMUM MINIMUM MUL NOT_EQUAL REDUCE_ANY REDUCE_MAX RELU RELU6
    RELU_0_TO_1 RESHAPE SELECT SELECT_V2 SIGN SLICE SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB TRANSPOSE
    """.split()  # noqa: SIM905
)
PRODUCT = "FULLY_CONNECTED"
Operator = tuple[str, list[Any], list[Any]]  # name, input tensors, output tensors
WEIGHTS = {"INT4", "INT8"}  # types of quantized weights
CONTROL = {"WHILE", "IF", "CALL_ONCE"}  # pass tensors of any types on to other graphs


@dataclass(frozen=True)
class Target:
    """A runtime, and what it supports.

    Attributes:
        title: the name in messages.
        ops: the builtin ops that it has, None for all. Custom ops, Flex ops included, are never supported.
        types: of any tensor, None for all.
        edge_types: of inputs and outputs, None for all.
        hybrid: whether one op may combine float inputs with integer weights, as in dynamic-range files.
        variables: whether an op may keep its state from one call to the next, as the fused LSTM does.
        loops: whether loops are known to end.
        open_shapes: whether a dimension of an input, such as the batch, may be open.
    """

    name: str
    title: str
    ops: frozenset[str] | None = None
    types: frozenset[str] | None = None
    edge_types: frozenset[str] | None = None
    hybrid: bool = True
    variables: bool = True
    loops: bool = True
    open_shapes: bool = True


BROWSER_TYPES = frozenset({"FLOAT32", "INT32", "UINT8"})  # DATATYPES of @litertjs/core 2.5.3
MICRO_TYPES = frozenset({"FLOAT32", "INT4", "INT8", "INT16", "INT32", "INT64", "UINT8", "BOOL", "RESOURCE"})
_TARGETS = (
    Target("litert", "LiteRT"),
    Target("browser", "LiteRT.js", edge_types=BROWSER_TYPES, variables=False, open_shapes=False),
    # The loops of traffic_gru and watch_gru, of 100 steps and more, do not end in LiteRT Micro.
    Target("micro", "LiteRT Micro", ops=MICRO_OPS, types=MICRO_TYPES, hybrid=False, loops=False),
)
TARGETS = {target.name: target for target in _TARGETS}


def incompatibility(source: str | Path | bytes, target: Target) -> str | None:
    """Why the target cannot run a .tflite file, all reasons in one line; None if no reason is known.

    Raises OSError if the file cannot be read, ValueError if it is not a TFLite file or damaged.
    """
    return incompatibilities(source, [target])[target.name]


def incompatibilities(
    source: str | Path | bytes, targets: Iterable[Target] = TARGETS.values()
) -> dict[str, str | None]:
    """The same for several targets, by name; reads the file once, which takes a second for an unrolled model."""
    model = read_model(source)
    try:
        return {target.name: "; ".join(_reasons(model, target)) or None for target in targets}
    except (AttributeError, IndexError, TypeError, UnicodeDecodeError) as error:  # wrong references
        raise _damaged(source, "tensors", error) from None


def read_model(source: str | Path | bytes) -> Any:
    """A file's `ModelT` of TFLite's schema. Raises OSError or ValueError, as `incompatibility` does."""
    from ai_edge_litert import schema_py_generated as schema

    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    if content[4:8] != b"TFL3":
        name = "this" if isinstance(source, bytes) else source
        raise InvalidValue(f"{name} is not a TFLite file, or it is damaged ({len(content)} bytes)")
    try:
        model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
        list(operators(model))  # fails on invalid indices
    except Exception as error:  # flatbuffers has no error class for damaged files
        raise _damaged(source, "operators", error) from None
    return model


def _damaged(source: str | Path | bytes, what: str, error: Exception) -> InvalidValue:
    name = "this" if isinstance(source, bytes) else source
    return InvalidValue(f"{name} is damaged: its {what} cannot be read ({type(error).__name__})")


def operators(model: Any) -> Iterator[Operator]:
    """Every operator of every graph."""
    names = {code: name for name, code in _constants("BuiltinOperator").items()}
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            code = model.operatorCodes[operator.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)  # old files have only the small field
            name = names.get(number, f"number {number}")
            yield (
                code.customCode.decode() if name == "CUSTOM" else name,
                _at(graph.tensors, operator.inputs),
                _at(graph.tensors, operator.outputs),
            )


def split_operators(model: Any, prefix: bool, suffix: bool) -> tuple[list[Operator], list[Operator], list[Operator]]:
    """The operators of an integer file in three groups: a prefix and a suffix that may be float, and those between.

    The prefix treats each input feature separately. The suffix is the last matrix product and the ops behind it that
    treat each value separately. See zoo/exporting/parts.py.

    Args:
        prefix, suffix: whether the file may have one; otherwise it is empty.
    """
    inputs_of_file, outputs_of_file = inputs_and_outputs(model)
    reached = {id(tensor) for tensor in inputs_of_file if prefix}
    wanted = {id(tensor) for tensor in outputs_of_file if suffix}
    first, between, last = list[Operator](), list[Operator](), list[Operator]()
    for name, inputs, outputs in operators(model):
        variable = [tensor for tensor in inputs if not _is_constant(model, tensor)]
        separate = variable and name in FEATURE_BY_FEATURE and all(id(tensor) in reached for tensor in variable)
        reached |= {id(tensor) for tensor in outputs if separate}
        (first if separate else between).append((name, inputs, outputs))
    for operator in reversed(between):
        name, inputs, outputs = operator
        if (name in FEATURE_BY_FEATURE or name == PRODUCT) and any(id(tensor) in wanted for tensor in outputs):
            wanted |= {id(tensor) for tensor in inputs if name != PRODUCT}
            last.append(operator)
    return first, [operator for operator in between if operator not in last], last


def inputs_and_outputs(model: Any) -> tuple[list[Any], list[Any]]:
    """The input and output tensors of a file."""
    graph = model.subgraphs[0]
    return _at(graph.tensors, graph.inputs), _at(graph.tensors, graph.outputs)


def type_name(tensor: Any) -> str:
    """A tensor's type as the schema names it: "FLOAT32", "INT8"."""
    return next((name for name, code in _constants("TensorType").items() if code == tensor.type), f"type {tensor.type}")


def _reasons(model: Any, target: Target) -> Iterator[str]:
    builtin = _constants("BuiltinOperator").keys()
    found = list(operators(model))
    if custom := _listed(name for name, _, _ in found if name not in builtin):
        yield f"{custom} is no builtin op, and {target.title} runs no others"
    if lacking := _listed(name for name, _, _ in found if name in builtin and name not in (target.ops or builtin)):
        yield f"op {lacking} is not in {target.title}"
    if not target.loops and any(name == "WHILE" for name, _, _ in found):
        yield f"a loop of WHILE may not end in {target.title}; export with strategy='unrolled'"
    mixed = _listed(name for name, tensors, _ in found if name not in CONTROL and _is_hybrid(tensors))
    if mixed and not target.hybrid:
        which = f"which {target.title} does not compute; use int8 or float32"
        yield f"{mixed} has float inputs and integer weights (a dynamic-range file), {which}"
    if target.types is not None:
        types = {type_name(tensor) for graph in model.subgraphs for tensor in graph.tensors} - target.types
        if types:
            yield f"{target.title} has no tensors of {_listed(types)}"
    stateful = _listed(name for name, tensors, _ in found if any(tensor.isVariable for tensor in tensors))
    if stateful and not target.variables:
        yield f"{stateful} keeps its state in variable tensors, which {target.title} lacks"
    for role, tensors in zip(("input", "output"), inputs_and_outputs(model), strict=True):
        for tensor in tensors:
            if target.edge_types is not None and type_name(tensor) not in target.edge_types:
                yield (
                    f"{role} {tensor.name.decode()} is {type_name(tensor)}, and {target.title} accepts "
                    f"{_listed(target.edge_types)} there"
                )
            if not target.open_shapes and tensor.shapeSignature is not None and -1 in tensor.shapeSignature:
                shape = tuple(map(int, tensor.shapeSignature))
                yield f"{role} {tensor.name.decode()} has the open shape {shape}, and {target.title} needs a fixed one"


def _at(tensors: list[Any], indices: Iterable[int] | None) -> list[Any]:
    """The tensors at these indices; -1 stands for an optional tensor that was left out."""
    return [] if indices is None else [tensors[i] for i in indices if i >= 0]


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _is_hybrid(tensors: list[Any]) -> bool:
    types = {type_name(tensor) for tensor in tensors}
    return "FLOAT32" in types and bool(types & WEIGHTS)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


@functools.cache
def _constants(enumeration: str) -> dict[str, int]:
    """The values of an enumeration of the schema, by name: "ADD" -> 0 of BuiltinOperator."""
    from ai_edge_litert import schema_py_generated as schema

    return {name: code for name, code in vars(getattr(schema, enumeration)).items() if not name.startswith("_")}
