"""The process that converts: `python -m zoo.conversion.child FOLDER`.

The converter can die without an exception, and names and caches of an earlier conversion change the bytes of a later
one, so each export runs in a fresh process. FOLDER holds model.keras, calibration.npy and job.json; the results are
written into it. The model in there may hold layers of ours, which `zoo.conversion.inference` makes known to Keras.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.conversion.inference import inference_model


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    trained = keras.saving.load_model(folder / "model.keras", compile=False)
    keras.backend.clear_session()  # so that layers are counted from one
    output = keras.saving.deserialize_keras_object(job["output"]) if job["output"] else None
    model = inference_model(trained, output)
    saved_model = folder / "saved_model"
    _save(model, job["output_name"], saved_model)
    for precision in job["precisions"]:
        print(f"converting to {precision}", flush=True)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=["edge"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]  # Select-TF ops raise an error here
        if precision == "int8":
            x = np.load(folder / "calibration.npy", allow_pickle=False)
            # The newer quantizer leaves a SPLIT of recurrent layers in float in about one conversion of three, by
            # chance (TensorFlow 2.21); this one gives the same bytes each time.
            converter.experimental_new_quantizer = False
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda x=x: ([sample[np.newaxis]] for sample in x)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        (folder / f"{precision}.tflite").write_bytes(converter.convert())


def _save(model: keras.Model, output_name: str, path: Path) -> None:
    """One SavedModel with two signatures: `serve` for any batch size, `edge` for one sample."""

    def call(input):  # noqa: A002  (the argument's name becomes the signature's input name)
        return {output_name: model(input, training=False)}

    (tensor,) = model.inputs
    archive = keras.export.ExportArchive()
    archive.track(model)
    for signature, batch in (("serve", None), ("edge", 1)):
        archive.add_endpoint(signature, call, [tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype, name="input")])
    archive.write_out(str(path), verbose=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
