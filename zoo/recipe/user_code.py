"""Errors inside the user's own recipe code: a UserError that shows the user's lines and none of zoo's or Keras'."""

import contextlib
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from zoo.base.errors import CheckFailed, InvalidValue, UserError, described

MOST_LINES = 10  # so that an endless recursion does not fill the screen
PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]


@contextlib.contextmanager
def users_code(part: str) -> Iterator[None]:
    """Within the block, functions of a recipe run; `part` names them in the message, such as "data of recipe x".

    An exception with a line of the user's in its traceback becomes `InvalidValue`: the error, then each of these lines
    as `  file:line: source`. A UserError keeps its class and message, and gets the lines. Others pass as they are.
    """
    try:
        yield
    except CheckFailed:
        raise
    except Exception as error:
        lines = _user_lines(error)
        if not isinstance(error, UserError):
            if not lines:
                raise
            raise InvalidValue("\n".join([f"{part}: {described(error)}", *lines])) from error
        message = "\n".join([str(error), *(line for line in lines if line not in str(error))])
        error.args = (message,)
        if isinstance(error, ImportError):
            error.msg = message
        raise


def _user_lines(error: Exception) -> list[str]:
    found = [(frame.filename, frame.lineno, frame.line) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        found.append((error.filename or "", error.lineno, error.text))
    lines = [f"  {_short(file)}:{number}: {(text or '').strip()}" for file, number, text in found if _is_user(file)]
    return lines[-MOST_LINES:]


def _is_user(file: str) -> bool:
    path = Path(file).resolve()
    if path.parent == PACKAGE / "recipes":  # of an installed collection; its recipes count as the user's code
        return True
    libraries = [PACKAGE, *LIBRARIES]
    installed = {"site-packages", "dist-packages"} & set(path.parts) or any(map(path.is_relative_to, libraries))
    return path.is_file() and not installed


def _short(file: str) -> str:
    path = Path(file).resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
