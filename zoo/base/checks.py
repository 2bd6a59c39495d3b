"""Checks of arguments, at the call, before anything reaches TensorFlow."""

import difflib
import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

from zoo.base.errors import InvalidType, InvalidValue


def check_choice(argument: str, value: object, allowed: Iterable[str]) -> None:
    """Raises ValueError that names the nearest allowed value."""
    allowed = sorted(allowed)
    if not isinstance(value, str) or value not in allowed:
        near = difflib.get_close_matches(str(value).lower(), allowed, n=1)
        hint = f"did you mean {near[0]!r}? It" if near else "it"
        raise InvalidValue(f"{argument}={value!r} is not known; {hint} is one of {', '.join(map(repr, allowed))}")


def is_whole(value: object, least: int) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= least


def is_real(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_flag(argument: str, value: bool) -> bool:
    if type(value).__name__ not in ("bool", "bool_"):  # numpy's too
        raise InvalidType(f"{argument}={value!r} must be True or False, not {type(value).__name__}")
    return bool(value)


def check_size(argument: str, value: int, minimum: int = 1) -> int:
    """`value` as an int. Raises TypeError or ValueError where it is not a whole number of at least `minimum`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise InvalidType(f"{argument}={value!r} must be a whole number, not {type(value).__name__}")
    if value < minimum:
        raise InvalidValue(f"{argument}={value} must be at least {minimum}")
    return int(value)


def check_sizes(argument: str, values: Sequence[int], minimum_length: int = 1) -> tuple[int, ...]:
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise InvalidType(f"{argument}={values!r} must be a tuple with one size per layer, such as (64, 32)")
    if len(values) < minimum_length:
        raise InvalidValue(f"{argument}=() is empty; it must hold one size per layer, such as (64, 32)")
    return tuple(check_size(f"{argument}[{i}]", value) for i, value in enumerate(values))


def check_size_for_each(argument: str, value: int | Sequence[int], count: int, of: str = "axis") -> tuple[int, ...]:
    """One size for all axes or layers, or one for each."""
    if not isinstance(value, Sequence):
        return (check_size(argument, value),) * count
    sizes = check_sizes(argument, value)
    if len(sizes) != count:
        raise InvalidValue(f"{argument}={sizes} must be one number, or {count}: one for each {of}")
    return sizes


def check_rate(argument: str, value: float) -> float:
    return check_number(argument, value, 0, below=1)


def check_number(
    argument: str,
    value: float,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """`value` as a finite float, between `least` and `most`, more than `above` and less than `below`."""
    if math.isinf(most) and below is None:
        lies, wanted = "be", f"a number above {above:g}" if above is not None else f"a number of at least {least:g}"
        wanted = "a number" if above is None and math.isinf(least) else wanted
    else:
        lies = "lie in"
        start, end = f"[{least:g}" if above is None else f"({above:g}", f"{most:g}]" if below is None else f"{below:g})"
        wanted = f"{start}, {end}"
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        within = wanted if lies == "be" else f"a number in {wanted}"
        raise InvalidType(f"{argument}={value!r} must be {within}, not {type(value).__name__}")
    inside = least <= value <= most and (above is None or value > above) and (below is None or value < below)
    if not math.isfinite(value) or not inside:
        raise InvalidValue(f"{argument}={value} must {lies} {wanted}")
    return float(value)


def check_input_shape(
    input_shape: Sequence[int | None], ranks: Sequence[int], meaning: str, open_axis: int | None = None
) -> tuple[Any, ...]:
    """The shape as a tuple of whole numbers, with None for the open axis.

    Args:
        meaning: of the axes, in words, for the error message.
        open_axis: the axis that may be None, for samples of different lengths.
    """
    if not isinstance(input_shape, Sequence) or isinstance(input_shape, str):
        raise InvalidType(f"input_shape={input_shape!r} must be a tuple of whole numbers, without the batch: {meaning}")
    fits = len(input_shape) in ranks and all(
        (n is None and axis == open_axis) or (isinstance(n, numbers.Integral) and not isinstance(n, bool) and n > 0)
        for axis, n in enumerate(input_shape)
    )
    if not fits:
        raise InvalidValue(f"input_shape={tuple(input_shape)} does not fit; without the batch it must be {meaning}")
    return tuple(None if n is None else int(n) for n in input_shape)
