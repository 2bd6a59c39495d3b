"""Our export against Keras' own and ONNX Runtime, what int8 saves, and what it loses; each figure beside its bound.

`python -m benchmarks.export [--json FILE]`: all sides in one run, alternating, 1 thread, medians over rounds. Weights
are random, because time and size do not depend on them. ONNX Runtime is left out where it is not installed.
"""

import argparse
import importlib.metadata
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import zoo
from zoo.base.files import read_json, write_json
from zoo.base.tables import plain_table
from zoo.recipe.collection import folder

FEATURES, UNITS, CLASSES = 8, 32, 10
RECURRENT = (keras.layers.LSTM, keras.layers.GRU)
LEAST_SPEEDUP = {8: 2.5, 28: 1.6}  # by number of steps, over Keras' own export
LARGEST_SIZE = {"LSTM fused": 0.5, "LSTM streaming": 0.65, "CNN": 0.45}  # of the int8 file, in its float32 file's bytes
LARGEST_LOSS = 0.5  # points of accuracy, int8 against float32, mean over the seeds of a release
INVOKES, ROUNDS = 500, 25
ONNX = ("onnxruntime", "onnx", "tf2onnx")
Call = Callable[[np.ndarray], np.ndarray]


def network(layer: type[keras.layers.Layer], steps: int) -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((steps, FEATURES)), layer(UNITS), keras.layers.Dense(CLASSES)])


def exported(model: keras.Model, place: Path, precision: str, strategy: str = "auto") -> Path:
    """A file of ours; the bounds of int8 are wide, because random outputs are close to each other."""
    x = np.random.default_rng(1).random((64, *model.input_shape[1:]), dtype="float32")
    wide = {"int8": 1.0}
    result = zoo.export(
        model, place / f"{strategy}.{precision}", calibration=x, precisions=[precision], strategy=strategy,
        bounds=zoo.Bounds(difference=wide, mean_difference=wide), name="model", report=lambda _: None,
    )  # fmt: skip
    if not result.verified:
        raise RuntimeError(f"{strategy} {precision}: {result.files[0].refusal}")
    return result.folder / "tflite" / result.files[0].file


def by_keras(model: keras.Model, place: Path) -> Path:
    """Keras' own file, of builtin ops alone, as any interpreter needs; a batch of 1, as its loop needs."""
    path = place / "keras.tflite"
    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    model.export(str(path), format="litert", verbose=False, input_signature=one_sample(model), target_spec=builtins)
    return path


def one_sample(model: keras.Model) -> list[keras.InputSpec]:
    return [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32")]


def litert(path: Path) -> Call:
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    index, output = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def call(x: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(index, x)
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return call


def onnx_runtime(path: Path) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def onnx_by_keras(model: keras.Model, place: Path) -> Path:
    path = place / "keras.onnx"
    model.export(str(path), format="onnx", verbose=False, input_signature=one_sample(model))
    return path


def onnx_by_hand(model: keras.Model, place: Path) -> Path:
    """ONNX's own LSTM or GRU op, which no converter makes of a Keras 3 model: the best that ONNX Runtime can do."""
    import onnx
    from onnx import helper

    recurrent, dense = model.layers
    lstm = isinstance(recurrent, keras.layers.LSTM)
    order = (0, 3, 1, 2) if lstm else (0, 1, 2)  # Keras has i, f, g, o, ONNX i, o, f, g; of GRU both have z, r, h

    def rows(weight: np.ndarray) -> np.ndarray:
        parts = np.split(weight, len(order), axis=-1)
        return np.concatenate([parts[k] for k in order], axis=-1).T

    kernel, state_kernel, bias = recurrent.get_weights()
    biases = (rows(bias), np.zeros_like(bias)) if lstm else map(rows, bias)  # ONNX has two, LSTM in Keras one
    head, head_bias = dense.get_weights()
    steps = model.input_shape[1]
    constants = {
        "w": rows(kernel)[None], "r": rows(state_kernel)[None], "b": np.concatenate([*biases])[None],
        "head": head, "head_b": head_bias,
        "by_time": np.array([steps, 1, FEATURES]), "flat": np.array([1, UNITS]),
    }  # fmt: skip
    more = {} if lstm else {"linear_before_reset": 1}
    nodes = [
        helper.make_node("Reshape", ["input", "by_time"], ["x"]),
        helper.make_node("LSTM" if lstm else "GRU", ["x", "w", "r", "b"], ["", "h"], hidden_size=UNITS, **more),
        helper.make_node("Reshape", ["h", "flat"], ["last"]),
        helper.make_node("Gemm", ["last", "head", "head_b"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, steps, FEATURES])],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [1, CLASSES])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    path = place / "by_hand.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


def timed(sides: dict[str, Call], x: np.ndarray) -> dict[str, list[float]]:
    """Microseconds a call, of each side in each round; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS + 1):
        for name, call in sides.items():
            start = time.perf_counter()
            for _ in range(INVOKES):
                call(x)
            times[name].append((time.perf_counter() - start) / INVOKES * 1e6)
    return {name: found[1:] for name, found in times.items()}


def missing_onnx() -> list[str]:
    installed = {name.lower() for dist in importlib.metadata.distributions() if (name := dist.metadata["Name"])}
    return [name for name in ONNX if name not in installed]


def speed(onnx: bool) -> list[dict[str, Any]]:
    results = []
    for layer in RECURRENT:
        for steps, least in LEAST_SPEEDUP.items():
            model = network(layer, steps)
            x = np.random.default_rng(0).random((1, steps, FEATURES), dtype="float32")
            expected = np.asarray(model(x))  # and ONNX wants a model that was called
            with tempfile.TemporaryDirectory() as name:
                place = Path(name)
                sides = {"keras": litert(by_keras(model, place)), "ours": litert(exported(model, place, "float32"))}
                if onnx:
                    sides["onnx"] = onnx_runtime(onnx_by_keras(model, place))
                    sides["onnx_op"] = onnx_runtime(onnx_by_hand(model, place))
                for side, call in sides.items():
                    if np.abs(call(x) - expected).max() > 1e-4:
                        raise RuntimeError(f"{side} computes something else than the {layer.__name__} in Keras")
                times = timed(sides, x)
            # Of neighbours in time, because what else runs here slows all sides.
            ratios = {
                side: statistics.median(a / b for a, b in zip(times[side], times["ours"], strict=True))
                for side in sides
                if side != "ours"
            }
            results.append(
                {
                    "model": f"{layer.__name__}({UNITS})",
                    "steps": steps,
                    "us": {side: statistics.median(found) for side, found in times.items()},
                    "ratio": ratios,
                    "bound": least,
                    "held": ratios["keras"] >= least,
                }
            )
    return results


def sizes() -> list[dict[str, Any]]:
    results = []
    for name, most in LARGEST_SIZE.items():
        model = zoo.cnn((8, 8, 1), CLASSES) if name == "CNN" else network(keras.layers.LSTM, 8)
        strategy = name.removeprefix("LSTM ") if name != "CNN" else "auto"
        with tempfile.TemporaryDirectory() as place:
            whole, small = (
                exported(model, Path(place), precision, strategy).stat().st_size for precision in ("float32", "int8")
            )
        ratio = small / whole
        results.append(
            {"model": name, "float32": whole, "int8": small, "ratio": ratio, "bound": most, "held": ratio <= most}
        )
    return results


def losses() -> list[dict[str, Any]]:
    """What int8 loses in each family, in points: read from the released records, seed by seed."""
    results = []
    for path in sorted(folder("tflite").glob("*/record.json")):
        record = read_json(path)
        if record["score_name"] != "accuracy" or len(record.get("seeds", ())) < 2:
            continue
        lost = [100 * (seed["float32"] - seed["int8"]) for seed in record["seeds"]]
        mean = statistics.mean(lost)
        results.append(
            {
                "model": record["name"],
                "seeds": len(lost),
                "mean": mean,
                "spread": statistics.stdev(lost),
                "most": max(lost),
                "bound": LARGEST_LOSS,
                "held": mean <= LARGEST_LOSS,
            }
        )
    return results


def held(row: dict[str, Any]) -> str:
    return "held" if row["held"] else "NOT HELD"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the figures there")
    file = parser.parse_args().json
    results: dict[str, Any] = {"losses": losses(), "sizes": sizes()}
    missing = missing_onnx()
    results["speed"] = speed(onnx=not missing)
    packages = ("tensorflow", "keras", "ai-edge-litert", *(ONNX if not missing else ()))
    results["versions"] = {name: importlib.metadata.version(name) for name in packages}

    sides = {"keras": "KERAS", "ours": "OURS", "onnx": "ONNX RUNTIME", "onnx_op": "ITS OWN OP"}
    sides = {side: title for side, title in sides.items() if side in results["speed"][0]["us"]}
    rows = [["MODEL", "STEPS", *sides.values(), "KERAS / OURS", "AT LEAST", ""]]
    for row in results["speed"]:
        times = [f"{row['us'][side]:.1f} us" for side in sides]
        rows.append(
            [row["model"], str(row["steps"]), *times, f"{row['ratio']['keras']:.2f}", f"{row['bound']}", held(row)]
        )
    print(plain_table(rows))
    if missing:
        print(f"ONNX Runtime is left out, for want of {', '.join(missing)}: pip install onnxruntime tf2onnx")
    rows = [["MODEL", "FLOAT32", "INT8", "INT8 / FLOAT32", "AT MOST", ""]]
    for row in results["sizes"]:
        whole = [f"{row[precision]:,} bytes" for precision in ("float32", "int8")]
        rows.append([row["model"], *whole, f"{row['ratio']:.2f}", f"{row['bound']}", held(row)])
    print("\n" + plain_table(rows))
    rows = [["MODEL", "SEEDS", "POINTS LOST IN INT8", "MOST", "AT MOST, MEAN", ""]]
    for row in results["losses"]:
        mean = f"{row['mean']:+.2f} ± {row['spread']:.2f}"
        rows.append([row["model"], str(row["seeds"]), mean, f"{row['most']:+.2f}", f"{row['bound']}", held(row)])
    print("\n" + plain_table(rows))
    print("\n" + ", ".join(f"{name} {version}" for name, version in results["versions"].items()))
    if file:
        write_json(file, results)


if __name__ == "__main__":
    main()
