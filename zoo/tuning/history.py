"""The trials of a search, in a database that outlives every worker: a file of SQLite's, or PostgreSQL.

All that Optuna's storage holds of a trial is written the moment it is known, so that a kill loses the trials that
were running and nothing else. KerasTuner's own files, which a kill can truncate, are not used.
"""

import contextlib
import csv
import functools
import json
import math
import os
import socket
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from zoo.base.errors import InvalidValue, MissingPackage
from zoo.base.files import writing
from zoo.tuning.trials import Trial, direction

HEARTBEAT = 5  # seconds; a trial whose worker has not been heard of for six times as long counts as lost
UNCLAIMED = 120.0  # seconds after which a trial that nobody claims counts as lost
PATIENCE = 120.0  # seconds that a database may be away for: a restart, say
AWAY = ("refused", "starting up", "shutting down", "recovery", "closed the connection", "terminating connection")
MET = ("duplicate key", "already exists")
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
T = TypeVar("T")

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Unreachable(OSError):
    """The history cannot be read or written: no fault of the candidate that was at work."""


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without Optuna's warnings: that heartbeat, multivariate and group are experimental, and that `History.heartbeat`
    does what its own loop would do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class History:
    """Trials of one search by one name in a storage.

    Args:
        storage: a path of a file, or a URL that SQLAlchemy understands, such as postgresql+psycopg://user@host/database.
        name: of the search in it.
        objective: what trials are compared by.
    """

    def __init__(self, storage: str | Path, name: str, objective: str):
        self.place, self.name, self.objective = storage, name, objective
        try:
            self._open()
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, AssertionError) as error:
            if "://" in str(storage):
                raise InvalidValue(f"{_without_password(storage)} cannot be used: {_first_line(error)}") from None
            raise InvalidValue(
                f"{_without_password(storage)} is damaged or no search of ours ({_first_line(error)}); remove it to "
                "search anew"
            ) from None

    def _open(self) -> None:
        """Waits for a server that is away, and says so: it may be about to start, or the address is wrong.

        Two workers that make the tables at the same moment get in each other's way; the second attempt finds them.
        """
        started, told = time.monotonic(), False
        while True:
            try:
                self._storage = self._opened(self.place)
                with quietly():
                    self.study = self._study()
                # Who tunes as with KerasTuner closes nothing.
                self._end = weakref.finalize(self, _closed, self._storage)
                return
            except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
                words = str(error.__cause__ or error)
                away, met = (any(word in words for word in some) for some in (AWAY, MET))
                if not (away or met) or time.monotonic() - started > PATIENCE:
                    raise
                if away and not told:
                    where = f"{_without_password(self.place)} does not answer ({_first_line(error)})"
                    print(f"{where}; waiting at most {PATIENCE:.0f} s for it", file=sys.stderr, flush=True)
                told |= away
                time.sleep(0.5)

    def _study(self) -> optuna.Study:
        wanted: Literal["minimize", "maximize"] = "minimize" if direction(self.objective) == "min" else "maximize"
        return optuna.create_study(storage=self._storage, study_name=self.name, direction=wanted, load_if_exists=True)

    def _opened(self, storage: str | Path) -> optuna.storages.RDBStorage:
        options: dict[str, Any]
        if isinstance(storage, str) and "://" in storage:
            options = {"pool_pre_ping": True}
        else:
            Path(storage).parent.mkdir(parents=True, exist_ok=True)
            storage, options = f"sqlite:///{Path(storage).resolve()}", {"connect_args": {"timeout": 60}}
        try:
            with quietly():
                opened = optuna.storages.RDBStorage(
                    storage, engine_kwargs=options, heartbeat_interval=HEARTBEAT, grace_period=6 * HEARTBEAT
                )
        except ImportError as error:
            raise MissingPackage(
                f"{_without_password(storage)}: {error}; pip install 'keras-zoo[postgresql]'"
            ) from None
        except sqlalchemy.exc.ArgumentError:
            raise InvalidValue(
                f"storage={_without_password(storage)!r} is neither a file nor a database's URL"
            ) from None
        if storage.startswith("sqlite"):
            # Readers and a writer at a time, and one sync a checkpoint instead of two a write: a process that is
            # killed loses nothing by it.
            with opened.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            sqlalchemy.event.listen(opened.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA synchronous=NORMAL"))
        return opened

    def close(self) -> None:
        self._end()

    def patiently(self, call: Callable[[], T]) -> T:
        """The call, again and again while the database is away."""
        started = time.monotonic()
        while True:
            try:
                with quietly():
                    return call()
            except (sqlalchemy.exc.OperationalError, optuna.exceptions.StorageInternalError) as error:
                cause = error.__cause__ or error
                lasting = "malformed" in str(cause) or "not a database" in str(cause) or "is full" in str(cause)
                if lasting or time.monotonic() - started > PATIENCE or not isinstance(self.place, str):
                    raise Unreachable(f"{_without_password(self.place)}: {_first_line(cause)}") from None
                self._storage.remove_session()
                time.sleep(0.5)

    # What is searched.

    def asked(self) -> dict[str, Any] | None:
        """What the search was started for, or None for a new one."""
        return self.patiently(lambda: self.study.user_attrs).get("asked")

    def ask(self, asked: Mapping[str, Any], overwrite: bool = False) -> None:
        """Notes what is searched for. Raises ValueError where the search was started for something else, with what."""
        known = self.asked()
        asked = json.loads(json.dumps(asked))  # as the database gives it back
        if known is not None and known != asked and not overwrite and self.live():
            raise InvalidValue(
                f"{_without_password(self.place)} holds {len(self.trials())} trials of another search: "
                f"{differences(known, asked)}; undo that, or search anew with overwrite (--overwrite)"
            )
        if known != asked or overwrite:  # anew, because a study keeps the direction that it was made with
            optuna.delete_study(study_name=self.name, storage=self._storage)
            self.study = self.patiently(self._study)
        self.patiently(lambda: self.study.set_user_attr("asked", dict(asked)))

    # Trials.

    def live(self) -> list[FrozenTrial]:
        """Those that are finished or running."""
        return [
            t
            for t in self.patiently(lambda: self.study.get_trials(deepcopy=False))
            if t.state in (*FINISHED, TrialState.RUNNING)
        ]

    def trials(self) -> list[Trial]:
        """The finished ones, in the order of drawing."""
        again: dict[int, dict[str, float]] = {}
        for key, value in self.patiently(lambda: self.study.user_attrs).items():
            if key.startswith("again/"):
                _, number, seed = key.split("/")
                again.setdefault(int(number), {})[seed] = value
        return [
            Trial(**t.user_attrs["trial"], number=t.number, again=again.get(t.number, {}))
            for t in self.live()
            if t.state in FINISHED
        ]

    def add(self, trial: Trial, params: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
        """A finished trial that somebody else than Optuna has drawn."""
        frozen = optuna.trial.create_trial(
            params=dict(params),
            distributions=dict(kinds),
            value=trial.metrics[self.objective],
            user_attrs={"trial": _plain(trial)},
        )
        self.patiently(lambda: self.study.add_trial(frozen))

    def tell(self, running: optuna.Trial, trial: Trial) -> None:
        """How a trial that Optuna has drawn ended. One that was taken for lost meanwhile is lost."""

        def tell() -> None:
            running.set_user_attr("trial", _plain(trial))
            state = TrialState.PRUNED if trial.pruned else TrialState.COMPLETE
            self.study.tell(running, None if trial.pruned else trial.metrics[self.objective], state)

        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
            self.patiently(tell)

    def again(self, trial: Trial, seed: int, value: float) -> None:
        self.patiently(lambda: self.study.set_user_attr(f"again/{trial.number}/{seed}", value))

    # Workers that are gone.

    def claim(self, running: optuna.Trial) -> None:
        """Notes at once that this process is at it, so that it can be found lost."""
        self.patiently(lambda: self._storage.record_heartbeat(running._trial_id))
        self.patiently(lambda: running.set_user_attr("worker", this_worker()))

    def fail_lost(self, alone: bool = False) -> None:
        """Gives up the trials whose workers have ended, so that others draw them again.

        Args:
            alone: no other worker is at it, so that whatever is running is lost.
        """
        self.patiently(lambda: optuna.storages.fail_stale_trials(self.study))
        for trial in self.live():
            if trial.state != TrialState.RUNNING:
                continue
            worker, begun = trial.user_attrs.get("worker"), trial.datetime_start
            # Killed before it could say who it is, and before its first heartbeat.
            unclaimed = worker is None and begun is not None and (datetime.now() - begun).total_seconds() > UNCLAIMED
            if alone or unclaimed or (worker is not None and _is_gone(worker)):
                with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
                    self.patiently(partial(self.study.tell, trial.number, state=TrialState.FAIL))

    @contextlib.contextmanager
    def heartbeat(self, running: optuna.Trial) -> Iterator[None]:
        """Tells the others every few seconds that this trial is not lost."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT):
                with contextlib.suppress(  # a database that is away; the next beat may reach it
                    sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError
                ):
                    self._storage.record_heartbeat(running._trial_id)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def this_worker() -> str:
    return f"{_machine()}/{os.getpid()}"


@functools.cache
def _machine() -> str:
    """A name that no other machine or container has, where one can tell: many are called raspberrypi."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return ":".join(parts)


def _is_gone(worker: str) -> bool:
    machine, _, process = worker.rpartition("/")
    if machine != _machine():
        return False  # its heartbeat tells
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def write_csv(trials: list[Trial], file: Path) -> None:
    """One row a trial: number, values, metrics, seconds, epochs, whether it was given up, error."""
    values = list(dict.fromkeys(name for t in trials for name in t.values))
    metrics = list(dict.fromkeys(name for t in trials for name in t.metrics))
    seeds = list(dict.fromkeys(seed for t in trials for seed in t.again))
    with writing(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        head = ["trial", *values, *metrics, *(f"again_seed_{s}" for s in seeds), "epochs", "pruned", "seconds", "error"]
        rows.writerow(head)
        for t in trials:
            drawn = [t.values.get(name, "") for name in values] + [t.metrics.get(name, "") for name in metrics]
            again = [t.again.get(seed, "") for seed in seeds]
            rows.writerow([t.number, *drawn, *again, t.epochs, t.pruned, round(t.seconds, 3), t.error])


def differences(known: Mapping[str, Any], asked: Mapping[str, Any], path: str = "") -> str:
    """What was and is asked for where they differ, in one line."""
    told = []
    for name in dict.fromkeys((*known, *asked)):
        was, now = known.get(name), asked.get(name)
        if was == now:
            continue
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            told.append(differences(was, now, f"{path}{name}: "))
        else:
            told.append(f"{path}{name} was {_short(was)}, is {_short(now)}")
    return "; ".join(told)


def _short(value: Any) -> str:
    text = "not there" if value is None else str(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "values": trial.values,
        "metrics": {name: value for name, value in trial.metrics.items() if math.isfinite(value)},
        "seconds": round(trial.seconds, 3),
        "epochs": trial.epochs,
        "pruned": trial.pruned,
        "error": trial.error,
    }


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(error).__name__])[0]


def _closed(storage: optuna.storages.RDBStorage) -> None:
    storage.remove_session()
    storage.engine.dispose()


def _without_password(storage: object) -> str:
    text = str(storage)
    if "://" not in text:
        return text
    try:
        return sqlalchemy.engine.make_url(text).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return text
