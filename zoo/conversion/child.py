"""The process that converts: `python -m zoo.conversion.child FOLDER`.

The converter can die without an exception, and names and caches of an earlier conversion change the bytes of a later
one, so each export runs in a fresh process. FOLDER holds job.json, calibration.npy and model.keras (or, of a model
whose classes only the caller has, saved_model/); the results are written into it.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.conversion.inference import inference_model, layers_of
from zoo.conversion.masking import mask_value, with_every_length
from zoo.conversion.strategy import STRATEGIES
from zoo.conversion.streaming import StreamingModel
from zoo.deploy import Runner
from zoo.files import write_json
from zoo.precisions import PRECISIONS
from zoo.targets import operators, read_model, type_name

COMPARED = 64  # calibration samples


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    trained = output = None
    if (folder / "model.keras").exists():
        trained = keras.saving.load_model(folder / "model.keras", compile=False)
        keras.backend.clear_session()  # so that layers are counted from one
        output = keras.saving.deserialize_keras_object(job["output"]) if job["output"] else None
        save(inference_model(trained, output), job["output_name"], folder / "saved_model")
    x = np.load(folder / "calibration.npy", allow_pickle=False)
    padding = mask_value(layers_of(trained)) if trained else None
    if padding is not None:
        x = with_every_length(x, padding)
    for precision, strategy in job["precisions"].items():
        print(f"converting to {precision}", flush=True)
        graph = folder / "saved_model"

        def samples() -> Iterator[dict[str, np.ndarray]]:
            return ({"input": sample[np.newaxis]} for sample in x)

        if strategy not in (None, "while"):  # the SavedModel itself is the one with loops
            graph = folder / "strategies" / strategy
            model = STRATEGIES[strategy].convertible(trained, output)
            if isinstance(model, StreamingModel):
                signature = save_step(model, x, job["output_name"], graph)
                samples = _along_sequences(signature, model, x)
            else:
                save(model, job["output_name"], graph)
        if job["compare"]:
            debugger = tf.lite.experimental.QuantizationDebugger(
                converter=_converter(graph, precision, samples),
                debug_dataset=lambda: ([sample[np.newaxis]] for sample in x[:COMPARED]),
            )
            write_json(folder / "layers.json", layer_statistics(debugger))
            continue
        found: list[bytes] = []
        for newer in (quantizers := _quantizers(precision, trained)):
            try:
                found.append(_converter(graph, precision, samples, newer).convert())
            except Exception:  # one of two may not know an op
                if newer == quantizers[-1] and not found:
                    raise
        if len(found) > 1:
            found.sort(
                key=lambda content: (_left_in_float(content, precision), _distance(content, folder, x[:COMPARED]))
            )
        (folder / f"{precision}.tflite").write_bytes(found[0])


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
        for name, _, outputs in operators(read_model(content))
    )


def _converter(
    graph: Path, precision: str, samples: Callable[[], Iterator[dict[str, np.ndarray]]], newer: bool = True
) -> tf.lite.TFLiteConverter:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(graph), signature_keys=["edge"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]  # Select-TF ops raise an error here
    converter.experimental_new_quantizer = newer
    PRECISIONS[precision].configure(converter, samples)
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


def layer_statistics(debugger: tf.lite.experimental.QuantizationDebugger) -> list[dict[str, str]]:
    """A row an op: its name, its tensor's name, scale and errors against the float model."""
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


def save_step(model: StreamingModel, x: np.ndarray, output_name: str, path: Path) -> Callable[..., Any]:
    """A SavedModel whose `edge` signature takes one step; gives the function of it."""

    def call(input, states):  # noqa: A002
        outputs, after = model(input, [states[f"state_{i}"] for i in range(len(states))])
        return {output_name: outputs, **{f"next_state_{i}": state for i, state in enumerate(after)}}

    def step(**inputs):
        return call(inputs.pop("input"), inputs)

    (tensor,) = model.model.inputs
    signature = {
        "input": tf.TensorSpec((1, *tensor.shape[2:]), tensor.dtype, name="input"),
        **{f"state_{i}": tf.TensorSpec((1, n), name=f"state_{i}") for i, n in enumerate(model.state_sizes)},
    }
    function = tf.function(step).get_concrete_function(**signature)
    module = tf.Module()  # not the model, whose own call would be saved as well
    module.weights = [weight.value for weight in model.model.weights]
    tf.saved_model.save(module, str(path), signatures={"edge": function})
    return function


def _along_sequences(
    step: Callable[..., Any], model: StreamingModel, x: np.ndarray
) -> Callable[[], Iterator[dict[str, np.ndarray]]]:
    """Calibration inputs of every step, with the states that the steps before it lead to."""

    def samples() -> Iterator[dict[str, np.ndarray]]:
        for sequence in x:
            states = {f"state_{i}": np.zeros((1, n), "float32") for i, n in enumerate(model.state_sizes)}
            for features in sequence:
                inputs = {"input": features[np.newaxis], **states}
                yield inputs
                after = step(**{name: tf.constant(value) for name, value in inputs.items()})
                states = {name: after[f"next_{name}"].numpy() for name in states}

    return samples


if __name__ == "__main__":
    main(Path(sys.argv[1]))
