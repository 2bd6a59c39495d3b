"""The process that converts: `python -m zoo.exporting.child FOLDER`.

The converter can crash without an exception, and names and caches of an earlier conversion change the bytes of a later
one. So each export runs in a fresh process. FOLDER holds job.json, calibration.npy and model.keras (or saved_model/, if
only the caller has the model's classes). The results are written into it.
"""

import csv
import functools
import io
import itertools
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.base.files import write_json
from zoo.deploy import Runner
from zoo.exporting.inference import inference_model, layers_of
from zoo.exporting.integer_layers import mask_value, with_every_length
from zoo.exporting.parts import joined, split_model
from zoo.exporting.precision import CalibrationInputs
from zoo.exporting.precisions import PRECISIONS
from zoo.exporting.saved_model import output_signature, save_edge, save_model
from zoo.exporting.strategies import STRATEGIES
from zoo.exporting.strategies.streaming import StreamingModel
from zoo.runtime.targets import read_model, split_operators, type_name

Inputs = dict[str, np.ndarray]  # of one invoke, by name
COMPARED_SAMPLES = 64  # of the calibration samples


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    trained = output = plain = None
    if (folder / "model.keras").exists():
        trained = keras.saving.load_model(folder / "model.keras", compile=False)
        keras.backend.clear_session()  # so that layers are counted from one
        output = keras.saving.deserialize_keras_object(job["output"]) if job["output"] else None
        plain = inference_model(trained, output)
        save_model(plain, job["output_name"], folder / "saved_model")
    x = np.load(folder / "calibration.npy", allow_pickle=False)
    padding = mask_value(layers_of(trained)) if trained else None
    if padding is not None:
        x = with_every_length(x, padding)
    for precision, strategy in job["precisions"].items():
        print(f"converting to {precision}", flush=True)
        source = _converter_input(trained, output, plain, precision, strategy, x, job, folder)
        if job["compare"]:
            write_json(folder / "layers.json", layer_statistics(source, precision))
            continue
        candidates: list[bytes] = []
        for newer in (quantizers := _quantizers(precision, trained)):
            try:
                candidates.append(source.merged(_converter(source, precision, newer).convert()))
            except Exception:  # one of the two quantizers may not support an op
                if newer == quantizers[-1] and not candidates:
                    raise
        if len(candidates) > 1:
            samples = x[:COMPARED_SAMPLES]
            candidates.sort(
                key=lambda file: (_left_in_float(file, precision, job["values"]), _distance(file, folder, samples))
            )
        (folder / f"{precision}.tflite").write_bytes(candidates[0])


@dataclass(frozen=True)
class ConverterInput:
    """What the converter reads.

    Attributes:
        graph: a SavedModel with the signature `edge`.
        calibration: yields the inputs of the graph for calibration.
        prefix, suffix: converted float parts before and behind the graph, see zoo/exporting/parts.py.
    """

    graph: Path
    calibration: CalibrationInputs
    prefix: bytes | None = None
    suffix: bytes | None = None

    def merged(self, content: bytes) -> bytes:
        """The whole file; `content` is the converted graph."""
        return functools.reduce(joined, (part for part in (self.prefix, content, self.suffix) if part))


def _converter_input(
    trained: keras.Model | None,
    output: keras.layers.Layer | None,
    plain: keras.Model | None,
    precision: str,
    strategy: str | None,
    x: np.ndarray,
    job: Mapping[str, Any],
    folder: Path,
) -> ConverterInput:
    calibration = functools.partial(_each, x, _unchanged)
    if trained is None:
        return ConverterInput(folder / "saved_model", calibration)
    model: Any = STRATEGIES[strategy].convertible(trained, output) if strategy else plain
    streaming = isinstance(model, StreamingModel)
    graph, output_name = folder / "strategies" / (strategy or "none"), job["output_name"]
    prefix, middle, suffix = split_model(model.model if streaming else model, PRECISIONS[precision], job["values"])
    if middle is model:
        if strategy in (None, "while"):  # saved_model/ has loops for recurrent layers already
            return ConverterInput(folder / "saved_model", calibration)
        save_model(model, output_name, graph)
        return ConverterInput(graph, calibration)

    def final(outputs):
        return outputs[:, 0] if streaming and len(outputs.shape) == 3 else outputs  # a stream has one step

    def named(outputs):  # of the integer part
        return {output_name: final(outputs)} if suffix is None else {"features": outputs}

    (tensor,) = model.model.inputs if streaming else model.inputs
    signature = {"input": tf.TensorSpec((1, *tensor.shape[2 if streaming else 1 :]), tensor.dtype, name="input")}
    before, first, last = _unchanged, None, None

    def sample(inputs):
        return inputs["input"][:, None] if streaming else inputs["input"]  # a stream has one step

    def model_input(inputs):
        return sample(inputs) if prefix is None else [inputs[name] for name in sorted(inputs)]

    if prefix is not None:

        def parts(**inputs):
            return {f"part_{i:03}": part for i, part in enumerate(keras.tree.flatten(prefix(sample(inputs))))}

        path = folder / "strategies" / "start"
        before = save_edge(parts, signature, prefix, path)
        signature = output_signature(before)
        first = _converter(ConverterInput(path, calibration), "float32").convert()
    if streaming:
        model = StreamingModel(middle)
        traced = save_step(model, signature, model_input, named, graph)
        middle_calibration = _along_sequences(traced, model, x, before)
    else:
        traced = save_edge(lambda **inputs: named(middle(model_input(inputs))), signature, middle, graph)
        middle_calibration = functools.partial(_each, x, before)
    if suffix is not None:
        path, signature = folder / "strategies" / "end", {"features": output_signature(traced)["features"]}
        save_edge(lambda features: {output_name: final(suffix(features))}, signature, suffix, path)
        last = _converter(ConverterInput(path, calibration), "float32").convert()
    return ConverterInput(graph, middle_calibration, first, last)


def _each(x: np.ndarray, before: Callable[..., Any]) -> Iterator[Inputs]:
    return (_arrays(before(input=sample[np.newaxis])) for sample in x)


def _unchanged(**inputs):
    return inputs


def _quantizers(precision: str, model: keras.Model | None) -> list[bool]:
    """Which of TensorFlow's two quantizers to try, True for the newer; of two files the more exact one is kept.

    The newer one has large errors on some bidirectional models (.30 on average, the older one .02), and randomly leaves
    a third of all SPLITs in float. The older one has large errors on attention (.3 of the spread, the newer one .02),
    does not support the ops of float masks, and crashes on int16.
    """
    if not PRECISIONS[precision].older_quantizer:
        return [True]
    masked = model is not None and any(isinstance(layer, keras.layers.Masking) for layer in layers_of(model))
    return [True] if masked else [False, True]


def _left_in_float(content: bytes, precision: str, values: bool) -> int:
    """The number of operators that compute in float and should not."""
    kind = PRECISIONS[precision]
    _, between, _ = split_operators(read_model(content), kind.float_prefix, kind.float_suffix and values)
    allowed: Collection[str] = kind.float_ops or ()
    return sum(
        name not in allowed and any(type_name(tensor) == "FLOAT32" for tensor in outputs)
        for name, _, outputs in between
    )


def _converter(source: ConverterInput, precision: str, newer: bool = True) -> tf.lite.TFLiteConverter:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(source.graph), signature_keys=["edge"])
    converter.experimental_new_quantizer = newer
    PRECISIONS[precision].configure(converter, source.calibration)
    return converter


def _distance(content: bytes, folder: Path, x: np.ndarray) -> float:
    """The mean absolute error of a file's outputs against those of saved_model/."""
    (folder / "candidate.tflite").write_bytes(content)
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    expected = next(iter(loaded.signatures["serve"](input=tf.constant(x)).values())).numpy()
    try:
        outputs = Runner(folder / "candidate.tflite", trusted=True).predict(x)
    except ValueError:  # it does not run
        return np.inf
    finally:
        (folder / "candidate.tflite").unlink()
    return float(np.abs(outputs - (expected[:, -1] if expected.ndim > outputs.ndim else expected)).mean())


def layer_statistics(source: ConverterInput, precision: str) -> list[dict[str, str]]:
    """One row per op: its name, its tensor's name, scale and errors against the float model."""

    def in_order() -> Iterator[list[np.ndarray]]:  # the order of the file's inputs, not of the signature's
        model = read_model(debugger.quant_model)
        names = {entry.tensorIndex: entry.name.decode() for entry in model.signatureDefs[0].inputs}
        for inputs in itertools.islice(source.calibration(), COMPARED_SAMPLES):
            yield [inputs[names[tensor]] for tensor in model.subgraphs[0].inputs]

    debugger: Any = tf.lite.experimental.QuantizationDebugger(
        converter=_converter(source, precision), debug_dataset=in_order
    )
    debugger.run()
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    table.seek(0)
    return list(csv.DictReader(table))


def save_step(
    model: StreamingModel,
    signature: Mapping[str, tf.TensorSpec],
    model_input: Callable[[Inputs], Any],
    named: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    path: Path,
) -> Callable[..., Any]:
    """A SavedModel whose `edge` signature computes one step, with `signature` and the states as inputs."""

    def step(**inputs):
        states = [inputs.pop(f"state_{i}") for i in range(len(model.state_sizes))]
        outputs, after = model(model_input(inputs), states)
        return {**named(outputs), **{f"next_state_{i}": state for i, state in enumerate(after)}}

    states = {f"state_{i}": tf.TensorSpec((1, n), name=f"state_{i}") for i, n in enumerate(model.state_sizes)}
    return save_edge(step, {**signature, **states}, model.model, path)


def _along_sequences(
    step: Callable[..., Any], model: StreamingModel, x: np.ndarray, before: Callable[..., Inputs]
) -> CalibrationInputs:
    """Calibration inputs of every step, with the states after the steps before it."""

    def samples() -> Iterator[Inputs]:
        for sequence in x:
            states = {f"state_{i}": np.zeros((1, n), "float32") for i, n in enumerate(model.state_sizes)}
            for features in sequence:
                inputs = {**_arrays(before(input=tf.constant(features[np.newaxis]))), **states}
                yield inputs
                after = step(**{name: tf.constant(value) for name, value in inputs.items()})
                states = {name: after[f"next_{name}"].numpy() for name in states}

    return samples


def _arrays(tensors: Mapping[str, Any]) -> Inputs:
    return {name: np.asarray(tensor) for name, tensor in tensors.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
