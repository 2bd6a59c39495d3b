"""The versions of Python, of zoo and of the packages that decide a result."""

import importlib.metadata
import platform

__version__ = "0.1.0"
PACKAGES = ("tensorflow", "keras", "keras-tuner", "ai-edge-litert", "numpy", "scikit-learn", "optuna")


def versions() -> dict[str, str]:
    """Of everything that a result depends on. Raises PackageNotFoundError without the train extra."""
    return {
        "python": platform.python_version(),
        "keras-zoo": __version__,
        **{package: importlib.metadata.version(package) for package in PACKAGES},
    }


def installed_versions() -> dict[str, str]:
    """The same of the packages that are there."""
    found = {"python": platform.python_version(), "keras-zoo": __version__}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def versions_key() -> str:
    return str(versions())
