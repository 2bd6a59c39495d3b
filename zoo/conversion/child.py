"""The process that converts: `python -m zoo.conversion.child FOLDER`.

The converter can die without an exception, and names and caches of an earlier conversion change the bytes of a later
one, so each export runs in a fresh process. FOLDER holds job.json, calibration.npy and model.keras (or, of a model
whose classes only the caller has, saved_model/); the results are written into it.
"""

import csv
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

from zoo.conversion.inference import inference_model, layers_of
from zoo.conversion.masking import mask_value, with_every_length
from zoo.conversion.preamble import cut, joined
from zoo.conversion.strategy import STRATEGIES
from zoo.conversion.streaming import StreamingModel
from zoo.deploy import Runner
from zoo.files import write_json
from zoo.precisions import PRECISIONS
from zoo.targets import behind_preamble, read_model, type_name

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
        source = _source(trained, output, plain, precision, strategy, x, job["output_name"], folder)
        if job["compare"]:
            write_json(folder / "layers.json", layer_statistics(source, precision))
            continue
        found: list[bytes] = []
        for newer in (quantizers := _quantizers(precision, trained)):
            try:
                content = _converter(source, precision, newer).convert()
                found.append(joined(source.front, content) if source.front else content)
            except Exception:  # one of two may not know an op
                if newer == quantizers[-1] and not found:
                    raise
        if len(found) > 1:
            found.sort(
                key=lambda content: (_left_in_float(content, precision), _distance(content, folder, x[:COMPARED]))
            )
        (folder / f"{precision}.tflite").write_bytes(found[0])


@dataclass(frozen=True)
class Source:
    """What the converter reads.

    Attributes:
        graph: a SavedModel with the signature `edge`.
        samples: its inputs for calibration, one after the other.
        front: what comes before it in the file, see zoo/conversion/preamble.py.
    """

    graph: Path
    samples: Samples
    front: bytes | None = None


def _source(
    trained: keras.Model | None,
    output: keras.layers.Layer | None,
    plain: keras.Model | None,
    precision: str,
    strategy: str | None,
    x: np.ndarray,
    output_name: str,
    folder: Path,
) -> Source:
    def samples() -> Iterator[Inputs]:
        return ({"input": sample[np.newaxis]} for sample in x)

    kept = PRECISIONS[precision].real_preamble
    if trained is None or (strategy in (None, "while") and not kept):
        return Source(folder / "saved_model", samples)  # for recurrent layers, the one with loops
    graph = folder / "strategies" / (strategy or "none")
    model: Any = STRATEGIES[strategy].convertible(trained, output) if strategy else plain
    streaming = isinstance(model, StreamingModel)
    parts = cut(model.model if streaming else model, PRECISIONS[precision].integer_input) if kept else None
    if parts is None and strategy is None:
        return Source(folder / "saved_model", samples)
    if parts is None and not streaming:
        save(model, output_name, graph)
        return Source(graph, samples)

    (tensor,) = model.model.inputs if streaming else model.inputs
    signature = {"input": tf.TensorSpec((1, *tensor.shape[2 if streaming else 1 :]), tensor.dtype, name="input")}
    front, before, called_with = None, _as_it_is, _one_step if streaming else _sample
    if parts is not None:
        (first, second), entry = parts, called_with
        before = save_edge(
            lambda **inputs: _named(first(entry(inputs), training=False)), signature, first, folder / "strategies/front"
        )
        front = _converter(Source(folder / "strategies/front", samples), "float32").convert()
        signature = {name: tf.TensorSpec(x.shape, x.dtype, name=name) for name, x in before.structured_outputs.items()}
        model, called_with = StreamingModel(second) if streaming else second, _values
    if streaming:
        step = save_step(model, signature, called_with, output_name, graph)
        return Source(graph, _along_sequences(step, model, x, before), front)
    save_edge(lambda **inputs: {output_name: model(_values(inputs), training=False)}, signature, model, graph)
    return Source(graph, lambda: (_arrays(before(input=tf.constant(sample[np.newaxis]))) for sample in x), front)


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


def _left_in_float(content: bytes, precision: str) -> int:
    """How many operators compute in float that should not."""
    allowed = PRECISIONS[precision].real_ops or ()
    return sum(
        name not in allowed and any(type_name(tensor) == "FLOAT32" for tensor in outputs)
        for name, _, outputs in behind_preamble(read_model(content))
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

    archive = keras.export.ExportArchive()
    archive.track(model)
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
    output_name: str,
    path: Path,
) -> Callable[..., Any]:
    """A SavedModel whose `edge` signature takes one step; gives the function of it.

    Args:
        signature: the inputs besides the states; `called_with` makes the model's own of them.
    """

    def step(**inputs):
        states = [inputs.pop(f"state_{i}") for i in range(len(model.state_sizes))]
        outputs, after = model(called_with(inputs), states)
        return {output_name: outputs, **{f"next_state_{i}": state for i, state in enumerate(after)}}

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


def _arrays(tensors: Mapping[str, tf.Tensor]) -> Inputs:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
