"""The exceptions that zoo raises on purpose. Any other exception is a bug of zoo, or comes from the user's own code."""


class UserError(Exception):
    """A mistake of the user's; the message says which value is wrong, why, and how to correct it."""


class InvalidValue(UserError, ValueError):
    """An argument, a file or a cell has an invalid value."""


class InvalidType(UserError, TypeError, ValueError):
    """An argument has an invalid type. Also a ValueError: for some arguments earlier releases raised that instead."""


class NotFound(UserError, LookupError):
    """An unknown name; the message gives the nearest known one."""


class MissingPackage(UserError, ImportError):
    """A package is not installed; the message has the command that installs it."""


class CheckFailed(RuntimeError):
    """The result fails a check or a bound: the command ends with exit code 1."""


def described(error: BaseException) -> str:
    """An exception in one line: the message of a UserError, else the class and the message."""
    message = " ".join(str(error).split())
    return message if isinstance(error, UserError) and message else f"{type(error).__name__}: {message}"
