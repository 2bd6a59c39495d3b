"""Makes a function a builder: it gets the shared knobs in its signature, its help and its checks."""

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from zoo.base.errors import InvalidType
from zoo.models.blocks import Hidden

Builder = TypeVar("Builder", bound=Callable[..., Any])
FIRST = ["input_shape", "num_outputs"]  # the first parameters of every builder
END = """
Returns:
    Uncompiled model, (B, *input_shape) -> logits (B, num_outputs).

Raises:
    ValueError, TypeError: a bad argument, with its name, its value and what is allowed."""


def builder(*, without: Sequence[str] = (), **defaults: Any) -> Callable[[Builder], Builder]:
    """Decorates a function that ends in `**knobs: Unpack[Knobs]`.

    `inspect.signature` and `help` of the builder then show each knob of `Hidden` with its default and its
    documentation, and an unknown argument raises TypeError that names the nearest one.

    Args:
        without: the knobs of `Hidden` that this family does not have.
        defaults: knobs whose default differs in this family.
    """

    def decorate(function: Builder) -> Builder:
        shared = {f.name: defaults.get(f.name, f.default) for f in fields(Hidden) if f.name not in without}
        own = inspect.signature(function)
        parameters = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        parameters += [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d) for n, d in shared.items()]

        @functools.wraps(function)
        def build(*args: Any, **arguments: Any) -> Any:
            check_names(function.__name__, arguments, [p.name for p in parameters])
            return function(*args, **{**defaults, **arguments})

        build.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        build.__doc__ = documented(inspect.getdoc(function) or "", list(shared))
        return build  # type: ignore[return-value]

    return decorate


def check_names(name: str, given: Sequence[str] | dict[str, Any], known: Sequence[str]) -> None:
    for argument in given:
        if argument not in known:
            near = difflib.get_close_matches(argument, known, n=1)
            hint = f"did you mean {near[0]!r}? It" if near else "it"
            raise InvalidType(f"zoo.{name} has no argument {argument!r}; {hint} has {', '.join(known)}")


def documented(own: str, shared: Sequence[str]) -> str:
    """`own` with the lines of the shared knobs that it does not describe itself, and what every builder returns."""
    entry = re.compile(r"^    ([\w, ]+): .*(?:\n {8}.*)*", re.MULTILINE)
    described = {name for found in entry.finditer(own) for name in found[1].split(", ")}
    lines = [] if "num_outputs" in described else ["    num_outputs: size of the logits."]
    lines += [
        found[0] for found in entry.finditer((inspect.getdoc(Hidden) or "").split("Attributes:")[-1])
        if found[1] in shared and found[1] not in described
    ]  # fmt: skip
    return "\n".join([own.rstrip(), *lines, END])


def builders_of(module: Any) -> dict[str, Callable[..., Any]]:
    """The builders that a module defines: its public functions that take `input_shape` and `num_outputs` first."""
    functions = {
        name: value for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }  # fmt: skip
    return {name: value for name, value in functions.items() if list(inspect.signature(value).parameters)[:2] == FIRST}
