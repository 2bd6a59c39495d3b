"""The process that converts: `python -m zoo.exporting.child FOLDER`.

The converter can die without an exception, and names and caches of an earlier conversion change the bytes of a later
one, so each export runs in a fresh process. FOLDER holds job.json, calibration.npy and model.keras (or, of a model
whose classes only the caller has, saved_model/); the results are written into it.
"""

import csv
import functools
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.base.files import write_json
from zoo.deploy import Runner
from zoo.exporting.inference import inference_model, layers_of
from zoo.exporting.masking import mask_value, with_every_length
from zoo.exporting.parts import joined, parted
from zoo.exporting.precisions import PRECISIONS
from zoo.exporting.strategies import STRATEGIES
from zoo.exporting.strategies.streaming import StreamingModel
from zoo.runtime.targets import parts, read_model, type_name

Inputs = dict[str, np.ndarray]  # of one invoke, by name
Samples = Callable[[], Iterator[Inputs]]
COMPARED = 64  # calibration samples


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    trained = output = plain = None
    if (folder / "model.keras").exists():
        trained = keras.saving.load_model(folder / "model.keras", compile=False)
        keras.backend.clear_session()  # so that layers are counted from one
        output = keras.saving.deserialize_keras_object(job["output"]) if job["output"] else None
        plain = inference_model(trained, output)
        save(plain, job["output_name"], folder / "saved_model")
    x = np.load(folder / "calibration.npy", allow_pickle=False)
    padding = mask_value(layers_of(trained)) if trained else None
    if padding is not None:
        x = with_every_length(x, padding)
    for precision, strategy in job["precisions"].items():
        print(f"converting to {precision}", flush=True)
        source = _source(trained, output, plain, precision, strategy, x, job, folder)
        if job["compare"]:
            write_json(folder / "layers.json", layer_statistics(source, precision))
            continue
        found: list[bytes] = []
        for newer in (quantizers := _quantizers(precision, trained)):
            try:
                found.append(source.whole(_converter(source, precision, newer).convert()))
            except Exception:  # one of two may not know an op
                if newer == quantizers[-1] and not found:
                    raise
        if len(found) > 1:
            found.sort(
                key=lambda file: (_left_in_float(file, precision, job["values"]), _distance(file, folder, x[:COMPARED]))
            )
        (folder / f"{precision}.tflite").write_bytes(found[0])


@dataclass(frozen=True)
class Source:
    """What the converter reads.

    Attributes:
        graph: a SavedModel with the signature `edge`.
        samples: its inputs for calibration, one after the other.
        start, end: what comes before it and behind it in the file, see zoo/conversion/parts.py.
    """

    graph: Path
    samples: Samples
    start: bytes | None = None
    end: bytes | None = None

    def whole(self, content: bytes) -> bytes:
        """The file, with what the converter made of the graph."""
        return functools.reduce(joined, (part for part in (self.start, content, self.end) if part))


def _source(
    trained: keras.Model | None,
    output: keras.layers.Layer | None,
    plain: keras.Model | None,
    precision: str,
    strategy: str | None,
    x: np.ndarray,
    job: Mapping[str, Any],
    folder: Path,
) -> Source:
    samples = functools.partial(_each, x, _as_it_is)
    if trained is None:
        return Source(folder / "saved_model", samples)
    model: Any = STRATEGIES[strategy].convertible(trained, output) if strategy else plain
    streaming = isinstance(model, StreamingModel)
    graph, output_name = folder / "strategies" / (strategy or "none"), job["output_name"]
    start, middle, end = parted(model.model if streaming else model, PRECISIONS[precision], job["values"])
    if middle is model:
        if strategy in (None, "while"):  # for recurrent layers, the one with loops
            return Source(folder / "saved_model", samples)
        save(model, output_name, graph)
        return Source(graph, samples)

    def answer(outputs):
        return outputs[:, 0] if streaming and len(outputs.shape) == 3 else outputs  # a stream has one step

    def given(outputs):  # by the part in integers
        return {output_name: answer(outputs)} if end is None else {"features": outputs}

    (tensor,) = model.model.inputs if streaming else model.inputs
    signature = {"input": tf.TensorSpec((1, *tensor.shape[2 if streaming else 1 :]), tensor.dtype, name="input")}
    before, called_with, first, last = _as_it_is, _one_step if streaming else _sample, None, None
    if start is not None:
        entry, called_with, path = called_with, _values, folder / "strategies" / "start"
        before = save_edge(lambda **inputs: _named(start(entry(inputs))), signature, start, path)
        signature = _signature(before)
        first = _converter(Source(path, samples), "float32").convert()
    if streaming:
        model = StreamingModel(middle)
        called = save_step(model, signature, called_with, given, graph)
        reaching = _along_sequences(called, model, x, before)
    else:
        called = save_edge(lambda **inputs: given(middle(called_with(inputs))), signature, middle, graph)
        reaching = functools.partial(_each, x, before)
    if end is not None:
        path, signature = folder / "strategies" / "end", {"features": _signature(called)["features"]}
        save_edge(lambda features: {output_name: answer(end(features))}, signature, end, path)
        last = _converter(Source(path, samples), "float32").convert()
    return Source(graph, reaching, first, last)


def _signature(traced: Any) -> dict[str, tf.TensorSpec]:
    """What a function gives, as inputs of another."""
    return {name: tf.TensorSpec(x.shape, x.dtype, name=name) for name, x in traced.structured_outputs.items()}


def _each(x: np.ndarray, before: Callable[..., Any]) -> Iterator[Inputs]:
    return (_arrays(before(input=sample[np.newaxis])) for sample in x)


def _as_it_is(**inputs):
    return inputs


def _sample(inputs):
    return inputs["input"]


def _one_step(inputs):
    return inputs["input"][:, None]  # (1, features) -> (1, 1, features)


def _named(tensors):
    return {f"part_{i:03}": tensor for i, tensor in enumerate(keras.tree.flatten(tensors))}


def _values(inputs):
    return [inputs[name] for name in sorted(inputs)]


def _quantizers(precision: str, model: keras.Model | None) -> list[bool]:
    """Which of TensorFlow's two quantizers to ask: the newer one or not; where both can, the closer result is taken.

    The newer one is wrong on some bidirectional models (by .30 on average, where the older one is by .02), and leaves a
    third of all SPLITs in float by chance. The older one is wrong on attention (by .3 of the spread, where the newer
    one is by .02), does not know what the masks of real values are made of, and dies of int16.
    """
    if not PRECISIONS[precision].older_quantizer:
        return [True]
    masked = model is not None and any(isinstance(layer, keras.layers.Masking) for layer in layers_of(model))
    return [True] if masked else [False, True]


def _left_in_float(content: bytes, precision: str, values: bool) -> int:
    """How many operators compute in float that should not."""
    kind = PRECISIONS[precision]
    _, between, _ = parts(read_model(content), kind.real_start, kind.real_end and values)
    return sum(
        name not in (kind.real_ops or ()) and any(type_name(tensor) == "FLOAT32" for tensor in outputs)
        for name, _, outputs in between
    )


def _converter(source: Source, precision: str, newer: bool = True) -> tf.lite.TFLiteConverter:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(source.graph), signature_keys=["edge"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]  # Select-TF ops raise an error here
    converter.experimental_new_quantizer = newer
    PRECISIONS[precision].configure(converter, source.samples)
    return converter


def _distance(content: bytes, folder: Path, x: np.ndarray) -> float:
    """How far a file's outputs are from those of saved_model/ on average."""
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


def layer_statistics(source: Source, precision: str) -> list[dict[str, str]]:
    """A row an op: its name, its tensor's name, scale and errors against the float model."""

    def in_order() -> Iterator[list[np.ndarray]]:  # that of the file's inputs, which is the one of their use
        model = read_model(debugger.quant_model)
        names = {entry.tensorIndex: entry.name.decode() for entry in model.signatureDefs[0].inputs}
        for inputs in itertools.islice(source.samples(), COMPARED):
            yield [inputs[names[tensor]] for tensor in model.subgraphs[0].inputs]

    debugger: Any = tf.lite.experimental.QuantizationDebugger(
        converter=_converter(source, precision), debug_dataset=in_order
    )
    debugger.run()
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    table.seek(0)
    return list(csv.DictReader(table))


def save(model: keras.Model, output_name: str, path: Path) -> None:
    """One SavedModel with two signatures: `serve` for any batch size, `edge` for one sample."""
    (tensor,) = model.inputs
    _save(model, path, lambda x: {output_name: model(x, training=False)}, tensor.shape[1:], tensor.dtype)


def _save(
    model: keras.Model, path: Path, function: Callable[[tf.Tensor], Any], shape: tuple[int | None, ...], dtype: str
) -> None:
    def call(input):  # noqa: A002  (the argument's name becomes the signature's input name)
        return function(input)

    archive = keras.export.ExportArchive()  # without `track`, which saves each variable a second time
    for signature, batch in (("serve", None), ("edge", 1)):
        archive.add_endpoint(signature, call, [tf.TensorSpec((batch, *shape), dtype, name="input")])
    archive.write_out(str(path), verbose=False)


def save_edge(function: Callable[..., Any], signature: Mapping[str, tf.TensorSpec], model: keras.Model, path: Path):
    """A SavedModel whose only signature `edge` is the function, of a model's weights; gives it as it was traced."""
    traced = tf.function(function, autograph=False).get_concrete_function(**signature)
    module = tf.Module()  # not the model, whose own call would be saved as well
    module.weights = [weight.value for weight in model.weights]
    tf.saved_model.save(module, str(path), signatures={"edge": traced})
    return traced


def save_step(
    model: StreamingModel,
    signature: Mapping[str, tf.TensorSpec],
    called_with: Callable[[Inputs], Any],
    given: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    path: Path,
) -> Callable[..., Any]:
    """A SavedModel whose `edge` signature takes one step; gives the function of it.

    Args:
        signature: the inputs besides the states; `called_with` makes the model's own of them, and `given` outputs by
            name of its own one.
    """

    def step(**inputs):
        states = [inputs.pop(f"state_{i}") for i in range(len(model.state_sizes))]
        outputs, after = model(called_with(inputs), states)
        return {**given(outputs), **{f"next_state_{i}": state for i, state in enumerate(after)}}

    states = {f"state_{i}": tf.TensorSpec((1, n), name=f"state_{i}") for i, n in enumerate(model.state_sizes)}
    return save_edge(step, {**signature, **states}, model.model, path)


def _along_sequences(
    step: Callable[..., Any], model: StreamingModel, x: np.ndarray, before: Callable[..., Inputs]
) -> Samples:
    """Calibration inputs of every step, with the states that the steps before it lead to."""

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
