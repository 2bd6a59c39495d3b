"""Checks of arguments that every room shares: what is wrong is told with its name, its value and what is allowed."""

import difflib
import math
import numbers
from collections.abc import Iterable


def check_choice(argument: str, value: object, allowed: Iterable[str]) -> None:
    """Raises ValueError that names the nearest of `allowed`."""
    allowed = sorted(allowed)
    if value not in allowed:
        near = difflib.get_close_matches(str(value), allowed, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"{argument}={value!r} is not known; {hint}It is one of {', '.join(map(repr, allowed))}")


def check_size(argument: str, value: int, minimum: int = 1) -> int:
    """`value` as an int. Raises TypeError or ValueError where it is not a whole number of at least `minimum`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{argument}={value!r} must be a whole number, not {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{argument}={value} must be at least {minimum}")
    return int(value)


def check_number(argument: str, value: float, low: float, high: float = math.inf, *, below: bool = False) -> float:
    """`value` as a float from `low` to `high`, or `below` it. Raises TypeError or ValueError where it is not."""
    allowed = f"[{low:g}, {high:g}{')' if below or math.isinf(high) else ']'}"
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{argument}={value!r} must be a number in {allowed}, not {type(value).__name__}")
    if not low <= value <= high or math.isinf(value) or (below and value == high):
        raise ValueError(f"{argument}={value} must lie in {allowed}")
    return float(value)
