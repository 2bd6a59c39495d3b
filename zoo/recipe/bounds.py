"""What results must keep to: `Bounds` for exported files, `Limits` for the candidates of a search."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from zoo.base.checks import check_choice, check_number
from zoo.exporting.precisions import PRECISIONS


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What every exported file must meet to pass.

    A precision that a mapping leaves out has the default of `zoo/exporting/precisions/`.

    Attributes:
        score: least accuracy (largest error, for a regression) on the test set; None for any.
        mean: the same for the mean over all seeds, or over all folds of a cross-validation.
        drop: by precision, how much worse than the Keras model a file may score, as a fraction of that score.
        difference: by precision, the max abs error of any output against the Keras model, as a fraction of the largest
            output, or of 1 if that is smaller, as for probabilities. The default for int8 is one half: a probability
            exceeds it only if the prediction flips from one confident class to another.
        mean_difference: by precision, the mean abs error of the outputs, likewise.
        bytes: by precision, the largest size of a file; any if left out.
        arena: most bytes for tensors in LiteRT Micro, with target="micro".
    """

    score: float | None = None
    mean: float | None = None
    drop: Mapping[str, float] = field(default_factory=dict)
    difference: Mapping[str, float] = field(default_factory=dict)
    mean_difference: Mapping[str, float] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    arena: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, Mapping):
                if value is not None:
                    check_number(f"bounds: {name}", value, 0)
                continue
            for precision, bound in value.items():
                check_choice(f"precision in bounds {name}", precision, PRECISIONS)
                check_number(f"bounds: {name}[{precision!r}]", bound, 0)

    def of(self, name: str, precision: str) -> float:
        """The bound of this name for a precision: as given, or the precision's default."""
        return getattr(self, name).get(precision, getattr(PRECISIONS[precision], name))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a candidate of a search must keep to; one that exceeds a limit is not trained.

    Attributes:
        bytes: size of its file in the last of the recipe's precisions; it is exported untrained, which takes seconds.
        macs: multiply-accumulates of one sample, by formula; see zoo/models/cost.py.
        latency_us: microseconds for one sample in that file, on this machine.
    """

    bytes: int | None = None
    macs: int | None = None
    latency_us: float | None = None

    def __post_init__(self) -> None:
        for limit in fields(self):
            if getattr(self, limit.name) is not None:
                check_number(f"limits: {limit.name}", getattr(self, limit.name), 0)
