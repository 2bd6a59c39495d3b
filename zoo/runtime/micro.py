"""LiteRT for Microcontrollers: whether a file runs there, in how much memory, and its C array for firmware.

outputs, arena = micro_run("digits_cnn.int8.tflite", x)     # as computed on a microcontroller
write_c_array("digits_cnn.int8.tflite", "firmware/", arena=arena)

Running needs the package tflite-micro: pip install 'keras-zoo[micro]'. It can end its process, for example when the
arena is too small, so it runs in a child process.
"""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import CheckFailed, InvalidValue, MissingPackage
from zoo.base.files import write_text
from zoo.deploy import read_archive
from zoo.runtime.targets import TARGETS, incompatibility, inputs_and_outputs, operators, read_model, type_name

ALIGNMENT = 16  # bytes, of the arena's start and size
LARGEST = 64 * 2**20  # bytes; more than microcontrollers have
TIMEOUT = 60  # seconds per invoke; 93 million multiply-accumulates take one second, some loops never end


def arena_bytes(path: str | Path) -> int:
    """The smallest tensor arena, in bytes, in which a file loads and runs.

    Measured with the reference kernels and 64-bit pointers. 32-bit pointers need less memory, optimized kernels
    (CMSIS-NN) may need more. Raises as `micro_run` does.
    """
    inputs, _ = inputs_and_outputs(read_model(path))
    return _run(path, [np.zeros((1, *tensor.shape), _dtype(tensor)) for tensor in inputs])[1]


def micro_run(path: str | Path, x: np.ndarray) -> tuple[np.ndarray, int]:
    """Float outputs (n, outputs) for float inputs (n, *input_shape), and the smallest arena as of `arena_bytes`.

    State is reset before each sample. Inputs of int8 files are quantized: q = round(x / scale) + zero_point.

    Raises:
        ImportError: tflite-micro is not installed.
        OSError, ValueError: no file, a damaged one, more than one input or output; x of another shape or not finite.
        CheckFailed: LiteRT Micro cannot run the file, with the reason.
    """
    inputs, outputs = inputs_and_outputs(read_model(path))
    if (counts := (len(inputs), len(outputs))) != (1, 1):
        raise InvalidValue(f"{path} has {counts[0]} inputs and {counts[1]} outputs; this runs files with one of each")
    shape = tuple(map(int, inputs[0].shape))
    x = np.asarray(x)
    if x.shape[1:] != shape[1:] or shape[0] != 1 or len(x) == 0:
        raise InvalidValue(f"the input has shape {x.shape}; {path} reads (n, {', '.join(map(str, shape[1:]))})")
    if not np.isfinite(x).all():
        raise InvalidValue("the input has NaN or infinite values")
    results, arena = _run(path, [_to_integers(x, inputs[0])[:, np.newaxis]])
    return _to_floats(results, outputs[0])[:, 0], arena


def model_part(path: str | Path) -> bytes:
    """A file's model without the archive (labels and the like) behind it, which microcontrollers do not read."""
    content = Path(path).read_bytes()
    archive = read_archive(content)
    return content[: archive.model_bytes] if archive else content


def write_c_array(
    path: str | Path, folder: str | Path, name: str | None = None, arena: int | None = None
) -> tuple[Path, Path]:
    """Writes <name>.c and <name>.h into a folder, and returns their paths. Arguments and errors as of `c_array`."""
    name = name or _name(path)
    source, header = Path(folder) / f"{name}.c", Path(folder) / f"{name}.h"
    write_text(source, c_array(path, name))
    write_text(header, c_header(path, name, arena))
    return source, header


def c_array(path: str | Path, name: str | None = None) -> str:
    """C source, for C11 and C++11, of a model as `const unsigned char <name>[]`, with its `<name>_len`.

    Args:
        name: a C identifier; by default from the file's name: digits_cnn.int8.tflite -> digits_cnn_int8.

    Raises:
        OSError, ValueError: no file, a damaged one, or a name that is no C identifier.
    """
    name = _name(path) if name is None else _checked(name)
    read_model(path)
    content = model_part(path)
    rows = (", ".join(f"0x{byte:02x}" for byte in content[i : i + 16]) for i in range(0, len(content), 16))
    lines = ",\n    ".join(rows)
    return f"""\
#include "{name}.h"

#ifndef __cplusplus
#include <stdalign.h>
#endif

alignas({ALIGNMENT}) const unsigned char {name}[] = {{
    {lines}
}};
const unsigned int {name}_len = {len(content)};
"""


def c_header(path: str | Path, name: str | None = None, arena: int | None = None) -> str:
    """The header of `c_array`: declarations, the ops to register, scales and zero points of integer inputs and outputs.

    Args:
        arena: bytes, as of `arena_bytes`; omitted if not measured.
    """
    name = _name(path) if name is None else _checked(name)
    model = read_model(path)
    found = list(operators(model))
    notes = [
        f"{Path(path).name} for LiteRT for Microcontrollers, by Keras Zoo.",
        f"Operators: {', '.join(sorted({op for op, _, _ in found}))}.",
    ]
    if arena is not None:
        notes.append(f"Tensor arena: {arena} bytes, measured with 64-bit pointers and the reference kernels.")
    if any(tensor.isVariable for _, tensors, _ in found for tensor in tensors):
        notes.append("It keeps a state: call the interpreter's Reset() before each sequence.")
    defines = []
    for role, tensors in zip(("INPUT", "OUTPUT"), inputs_and_outputs(model), strict=True):
        for number, tensor in enumerate(tensors):
            label = role if len(tensors) == 1 else f"{role}_{number}"
            notes.append(f"{label}: {type_name(tensor)}, shape {' x '.join(map(str, tensor.shape))}.")
            scale, zero_point = _quantization(tensor)
            if scale:
                defines.append(f"#define {name.upper()}_{label}_SCALE {scale:.9e}f\n")
                defines.append(f"#define {name.upper()}_{label}_ZERO_POINT ({zero_point})\n")
    comment = "\n * ".join(notes)
    return f"""\
/* {comment}
 */
#ifndef {name.upper()}_H_
#define {name.upper()}_H_

{"".join(defines)}
#ifdef __cplusplus
extern "C" {{
#endif

extern const unsigned char {name}[];
extern const unsigned int {name}_len;

#ifdef __cplusplus
}}
#endif

#endif
"""


def _name(path: str | Path) -> str:
    return _checked(re.sub(r"\W", "_", Path(path).name.removesuffix(".tflite"), flags=re.ASCII))


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
        raise InvalidValue(f"{name!r} is no name for C; give one of letters, digits and _ that starts with a letter")
    return name


def _dtype(tensor: Any) -> np.dtype:
    try:
        return np.dtype(type_name(tensor).lower())
    except TypeError:
        raise InvalidValue(f"tensor {tensor.name.decode()} is {type_name(tensor)}, which numpy does not have") from None


def _quantization(tensor: Any) -> tuple[float, int]:
    """Scale and zero point; the scale is 0 if the tensor is not quantized."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not np.issubdtype(_dtype(tensor), np.integer):
        return 0.0, 0
    return float(quantization.scale[0]), int(quantization.zeroPoint[0])


def _to_integers(x: np.ndarray, tensor: Any) -> np.ndarray:
    scale, zero_point = _quantization(tensor)
    if not scale:
        return x.astype(_dtype(tensor))
    limits = np.iinfo(_dtype(tensor))
    x = np.round(x.astype("float32") / np.float32(scale)) + zero_point
    return np.clip(x, limits.min, limits.max).astype(limits.dtype)


def _to_floats(q: np.ndarray, tensor: Any) -> np.ndarray:
    scale, zero_point = _quantization(tensor)
    return (q.astype("float32") - zero_point) * np.float32(scale) if scale else q


def _run(path: str | Path, inputs: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """The file's first output (n, *its shape) for inputs (n, *their shapes), and the smallest arena in bytes."""
    reason = incompatibility(path, TARGETS["micro"])
    if reason:
        raise CheckFailed(f"{path} does not run on LiteRT Micro: {reason}")
    if importlib.util.find_spec("tflite_micro") is None:
        needed = "running on LiteRT Micro needs tflite-micro, which exists for Linux on x86-64"
        raise MissingPackage(f"{needed}: pip install 'keras-zoo[micro]'", name="tflite_micro")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model_part(path))
        np.savez(folder / "inputs.npz", *inputs)
        command = [sys.executable, "-m", "zoo.runtime.micro", name, str(TIMEOUT)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # threads would make its forks unsafe
        child = subprocess.run(command, capture_output=True, text=True, env=environment)
        if child.returncode:
            words = [line.strip() for line in child.stderr.splitlines() if line.strip()][:4]
            if child.returncode == -signal.SIGALRM:
                words = [f"an invoke did not end within {TIMEOUT} s"]
            elif child.returncode < 0:
                words.append(f"its process was ended by {signal.Signals(-child.returncode).name}")
            raise CheckFailed(f"{path} does not run on LiteRT Micro: {'; '.join(words)}")
        return np.load(folder / "outputs.npy"), int(child.stdout)


def _main(folder: Path, timeout: int) -> None:
    """The child process: `python -m zoo.runtime.micro FOLDER SECONDS`. Prints the smallest arena."""
    import resource

    from tflite_micro.python.tflite_micro import runtime

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # crashes are expected here
    content = (folder / "model.tflite").read_bytes()
    with np.load(folder / "inputs.npz") as file:
        samples = list(zip(*(file[f"arr_{i}"] for i in range(len(file.files))), strict=True))

    def predict(samples: list[tuple[np.ndarray, ...]], size: int) -> np.ndarray:
        interpreter = runtime.Interpreter.from_bytes(content, arena_size=size)
        outputs = []
        for sample in samples:
            interpreter.reset()
            for i, x in enumerate(sample):
                interpreter.set_input(x, i)
            signal.alarm(timeout)  # ends the process; Python code cannot while C++ runs
            interpreter.invoke()
            signal.alarm(0)
            outputs.append(interpreter.get_output(0))
        return np.stack(outputs)

    try:
        np.save(folder / "outputs.npy", predict(samples, LARGEST))
    except Exception as error:  # the package raises many classes
        sys.exit(str(error) or type(error).__name__)
    print(_smallest(lambda size: _survives(lambda: predict(samples[:1], size))))


def _survives(action: Callable[[], object]) -> bool:
    """Whether an action ends without an exception or a crash; it runs in a fork of this process."""
    if (pid := os.fork()) == 0:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


def _smallest(enough: Callable[[int], bool]) -> int:
    """The smallest multiple of ALIGNMENT that is enough, at most LARGEST."""
    low, high = 0, 1024 // ALIGNMENT  # too small, and maybe enough; in units of ALIGNMENT
    while high * ALIGNMENT < LARGEST and not enough(high * ALIGNMENT):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle * ALIGNMENT) else (middle, high)
    return high * ALIGNMENT


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
