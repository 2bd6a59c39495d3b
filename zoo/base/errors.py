"""The exceptions that zoo raises on purpose. Any other exception is a bug of zoo, or comes from the user's own code."""


class UserError(Exception):
    """What the user gave cannot be used; the message says what was wrong with which value, and how to mend it."""


class InvalidValue(UserError, ValueError):
    """An argument, a file or a cell has a value that cannot be used."""


class InvalidType(UserError, TypeError):
    """An argument is of a kind that cannot be used."""


class NotFound(UserError, LookupError):
    """There is nothing of that name; the message names the nearest one."""


class MissingPackage(UserError, ImportError):
    """A package is not installed; the message has the command that installs it."""


class CheckFailed(RuntimeError):
    """The work was done, but its result fails a check or a bound: the command ends with exit code 1."""


def described(error: BaseException) -> str:
    """An exception in one line: the message alone where it was written for users, else with its class."""
    message = " ".join(str(error).split())
    return message if isinstance(error, UserError) and message else f"{type(error).__name__}: {message}"
