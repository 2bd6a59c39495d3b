"""The one exception of our own. A user's mistake is a ValueError, TypeError, LookupError or OSError, as in Python."""


class CheckFailed(RuntimeError):
    """Everything was used rightly, but the result does not hold what was asked of it: the command exits with 1."""
