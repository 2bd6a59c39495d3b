"""The number of samples in a training step."""

from zoo.base.checks import is_whole
from zoo.base.errors import InvalidValue

BatchSize = int | str  # a number, or "all"


def check_batch_size(batch_size: BatchSize) -> None:
    if batch_size != "all" and not is_whole(batch_size, 1):
        raise InvalidValue(f"batch_size={batch_size!r} must be a whole number of at least 1, or 'all'")


def batch_of(samples: int, batch_size: BatchSize) -> int:
    """The number of samples in a step."""
    return samples if batch_size == "all" else int(batch_size)
