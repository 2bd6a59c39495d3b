"""The versions of Python, of zoo and of the packages that decide a result."""

import importlib.metadata
import platform

__version__ = "0.1.0"
PACKAGES = ("tensorflow", "keras", "keras-tuner", "ai-edge-litert", "numpy", "scikit-learn", "optuna")


def versions() -> dict[str, str]:
    """Of all that has a say in the result."""
    return {
        "python": platform.python_version(),
        "keras-zoo": __version__,
        **{package: importlib.metadata.version(package) for package in PACKAGES},
    }


def versions_key() -> str:
    return str(versions())
