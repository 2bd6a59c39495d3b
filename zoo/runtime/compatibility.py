"""Where a file runs: checks its ops and types for each target, and runs it on those that are installed."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from zoo.base.errors import CheckFailed, MissingPackage
from zoo.deploy import Runner
from zoo.runtime.latency import latency
from zoo.runtime.targets import TARGETS, Target, incompatibility

SECONDS = 0.3


@dataclass(frozen=True)
class Compatibility:
    """Whether a file runs on a target, and why; `runs` is None if its ops are compatible and it was not run here."""

    target: str
    runs: bool | None
    detail: str


def where(file: str | Path) -> list[Compatibility]:
    """The compatibility of a .tflite file with each target. Raises OSError or ValueError: no such file, or damaged."""
    return [_compatibility(Path(file), target) for target in TARGETS.values()]


def _compatibility(file: Path, target: Target) -> Compatibility:
    reason = incompatibility(file, target)
    if reason is not None:
        return Compatibility(target.title, False, reason)
    try:
        measured = _measured(file, target.name)
    except (CheckFailed, ValueError) as error:
        return Compatibility(target.title, False, str(error))
    except ImportError as error:
        return Compatibility(target.title, None, f"compatible by its ops; not run here: {error}")
    return Compatibility(target.title, True, measured)


def _measured(file: Path, target: str) -> str:
    if target == "litert":
        return f"{np.median(latency(Runner(file), SECONDS)) * 1e6:.1f} us a sample here, on one thread"
    if target == "browser":
        from zoo.runtime.browser import Browser

        with Browser() as browser:
            us = np.median(browser.latency(file, SECONDS)) * 1e6
        return f"{us:.0f} us a sample in headless Chromium here, transfers from and to JavaScript included"
    if find_spec("tflite_micro") is None:
        raise MissingPackage("pip install 'keras-zoo[micro]'")
    from zoo.runtime.micro import arena_bytes

    return f"{arena_bytes(file):,} bytes of arena, with the reference kernels"
