"""A benchmark that compares two ways to the same result ends with exit code 1 where the results differ."""

import sys
from collections.abc import Mapping


def require_equal(max_abs_errors: Mapping[str, float], tolerance: float) -> None:
    """Ends the process with exit code 1 where a largest absolute difference exceeds the tolerance, or is not finite.

    Args:
        max_abs_errors: largest absolute difference between the two sides, by what was compared.
    """
    differing = {name: error for name, error in max_abs_errors.items() if not error <= tolerance}
    for name, error in differing.items():
        print(f"{name}: the two sides differ by {error:g}, more than {tolerance:g}", file=sys.stderr)
    if differing:
        sys.exit(1)
