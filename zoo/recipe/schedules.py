"""Learning-rate schedules, each with its settings.

A recipe names one, `schedule="step"`, or gives it with settings of its own, `schedule=zoo.schedules.Step(every=5)`.
The rate is `learning_rate` times the schedule's factor. The optimizer counts steps, one a batch.
"""

import abc
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import keras

from zoo.base.checks import check_choice, check_number, check_rate, check_size
from zoo.base.errors import InvalidType

Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


class Schedule(abc.ABC):
    """Settings of a schedule; a frozen value."""

    name: ClassVar[str]

    @abc.abstractmethod
    def rate(self, peak: float, steps: int, epochs: int) -> Rate:
        """The rate by step, as a Keras optimizer takes it; `peak` is the largest, `steps` those of all epochs."""

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """New callbacks for one training, if the rate depends on its progress."""
        return []


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate in every step."""

    name = "constant"

    def rate(self, peak, steps, epochs):
        return peak


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplies the rate by `factor` every `every` epochs; constant in between."""

    factor: float = 0.5
    every: int = 10

    name = "step"
    staircase = True

    def __post_init__(self) -> None:
        check_number("factor", self.factor, above=0, below=1)
        check_size("every", self.every)

    def rate(self, peak, steps, epochs):
        every = self.every * max(1, steps // epochs)
        return keras.optimizers.schedules.ExponentialDecay(peak, every, self.factor, staircase=self.staircase)


@dataclass(frozen=True)
class Exponential(Step):
    """Multiplies the rate by `factor` over `every` epochs, a little with each step."""

    factor: float = 0.9
    every: int = 1

    name = "exponential"
    staircase = False


@dataclass(frozen=True)
class Cosine(Schedule):
    """Linear warm-up to the peak over the fraction `warmup` of all steps, then a half cosine down to zero.

    Source: I. Loshchilov and F. Hutter, SGDR, ICLR 2017, without its restarts; warm-up: P. Goyal et al., 2017.
    """

    warmup: float = 0.1

    name = "cosine"

    def __post_init__(self) -> None:
        check_rate("warmup", self.warmup)

    def rate(self, peak, steps, epochs):
        if self.warmup == 0:
            return keras.optimizers.schedules.CosineDecay(peak, max(1, steps))
        up = max(1, int(steps * self.warmup))
        return keras.optimizers.schedules.CosineDecay(0.0, max(1, steps - up), warmup_target=peak, warmup_steps=up)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Linear from `start` times the peak up to the peak, back in as many steps, then down to zero.

    Source: L. Smith, A disciplined approach to neural network hyper-parameters, 2018. There momentum moves the other
    way at the same time; here it is constant, because Keras' optimizers hold it as a number.

    Attributes:
        start: the first rate, as a fraction of the peak.
        rest: fraction of all steps after the cycle, for the way down to zero.
    """

    start: float = 0.1
    rest: float = 0.1

    name = "one_cycle"

    def __post_init__(self) -> None:
        check_number("start", self.start, above=0, below=1)
        check_number("rest", self.rest, above=0, below=1)

    def rate(self, peak, steps, epochs):
        cycle = steps * (1 - self.rest)
        return Lines((0.0, cycle / 2, cycle, float(steps)), (peak * self.start, peak, peak * self.start, 0.0))


@dataclass(frozen=True)
class Plateau(Schedule):
    """Multiplies the rate by `factor` when the validation loss has not improved for `patience` epochs, as Keras does.

    Attributes:
        smallest: the least rate.
    """

    factor: float = 0.5
    patience: int = 5
    smallest: float = 0.0

    name = "plateau"

    def __post_init__(self) -> None:
        check_number("factor", self.factor, above=0, below=1)
        check_size("patience", self.patience)
        check_number("smallest", self.smallest, 0)

    def rate(self, peak, steps, epochs):
        return peak

    def callbacks(self):
        return [keras.callbacks.ReduceLROnPlateau(factor=self.factor, patience=self.patience, min_lr=self.smallest)]


SCHEDULES: dict[str, type[Schedule]] = {s.name: s for s in (Constant, Step, Exponential, Cosine, OneCycle, Plateau)}


def schedule_of(value: str | Schedule) -> Schedule:
    """A schedule by its name, with default settings, or the object that was given."""
    if isinstance(value, Schedule):
        return value
    if not isinstance(value, str):
        raise InvalidType(f"schedule={value!r} must be a name such as 'cosine' or one of zoo.schedules, such as Step()")
    check_choice("schedule", value, SCHEDULES)
    return SCHEDULES[value]()


@keras.saving.register_keras_serializable("zoo")
class Lines(keras.optimizers.schedules.LearningRateSchedule):
    """Linear between rates at given steps; constant after the last."""

    def __init__(self, steps, rates):
        super().__init__()
        self.steps, self.rates = tuple(steps), tuple(rates)

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        rate = keras.ops.full((), self.rates[-1], "float32")
        # From the last piece to the first, so that the piece that contains the step is applied last.
        for i in reversed(range(len(self.steps) - 1)):
            first, last = self.steps[i], self.steps[i + 1]
            line = self.rates[i] + (step - first) / max(last - first, 1e-9) * (self.rates[i + 1] - self.rates[i])
            rate = keras.ops.where(step < last, line, rate)
        return rate

    def get_config(self):
        return {"steps": list(self.steps), "rates": list(self.rates)}
