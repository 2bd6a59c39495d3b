"""Where a file runs: each target asked by what is in the file, and by running it where the target is installed."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from zoo.base.errors import CheckFailed, MissingPackage
from zoo.deploy import Runner
from zoo.runtime.latency import latency
from zoo.runtime.targets import TARGETS, Target, refusal

SECONDS = 0.3


@dataclass(frozen=True)
class Answer:
    """One target's: whether the file runs there, None where nothing speaks against it and it was not tried, and why."""

    target: str
    runs: bool | None
    detail: str


def where(file: str | Path) -> list[Answer]:
    """Each target's answer to a .tflite file.

    Raises:
        OSError, ValueError: there is no such file, or it is damaged.
    """
    return [_asked(Path(file), target) for target in TARGETS.values()]


def _asked(file: Path, target: Target) -> Answer:
    reason = refusal(file, target)
    if reason is not None:
        return Answer(target.title, False, reason)
    try:
        measured = {"litert": _litert, "browser": _browser, "micro": _micro}[target.name](file)
    except (CheckFailed, ValueError) as error:
        return Answer(target.title, False, str(error))
    except ImportError as error:
        return Answer(target.title, None, f"nothing in it speaks against it; not tried: {error}")
    return Answer(target.title, True, measured)


def _litert(file: Path) -> str:
    return f"{np.median(latency(Runner(file), SECONDS)) * 1e6:.1f} us a sample here, on one thread"


def _browser(file: Path) -> str:
    from zoo.runtime.browser import Browser

    with Browser() as browser:
        seconds = np.median(browser.latency(file, SECONDS))
    return f"{seconds * 1e6:.0f} us a sample in headless Chromium here, the way from and to JavaScript included"


def _micro(file: Path) -> str:
    from zoo.runtime.micro import arena_bytes

    if find_spec("tflite_micro") is None:
        raise MissingPackage("pip install 'keras-zoo[micro]'")
    return f"{arena_bytes(file):,} bytes of arena, with the reference kernels"
