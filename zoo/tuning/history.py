"""The trials of a search in Optuna's storage: an SQLite file, or PostgreSQL.

Each result is written at once, so that a kill loses only the trials that were running. KerasTuner's own files are not
used, because a kill can truncate them.
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

HEARTBEAT = 5  # seconds; a trial without a heartbeat for six times as long counts as lost
UNCLAIMED = 120.0  # seconds after which a trial without a worker counts as lost
PATIENCE = 120.0  # seconds to wait for a database that is down, for example during a restart
DOWN = ("refused", "starting up", "shutting down", "recovery", "closed the connection", "terminating connection")
RACE = ("duplicate key", "already exists")  # two workers create the tables at the same moment
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
DATABASE_ERRORS = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)
T = TypeVar("T")


class Unreachable(OSError):
    """The history cannot be read or written; the candidate is not the cause."""


class _Quiet:
    """Without Optuna's log lines and its warnings that heartbeat, multivariate and group are experimental.

    Levels and warning filters belong to the process: the first block that begins changes them, in any thread, and the
    last one that ends restores them.
    """

    def __init__(self) -> None:
        self._lock, self._depth, self._restore = threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._restore.callback(optuna.logging.set_verbosity, optuna.logging.get_verbosity())
                self._restore.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                optuna.logging.set_verbosity(optuna.logging.ERROR)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._restore.close()


quiet = _Quiet()


class History:
    """Trials of one search by one name in a storage.

    Args:
        storage: a file's path, or a URL for SQLAlchemy, such as postgresql+psycopg://user@host/database.
        name: of the search in it.
        objective: the metric that trials are compared by.
    """

    def __init__(self, storage: str | Path, name: str, objective: str):
        self.location, self.name, self.objective = storage, name, objective
        try:
            self._open()
        except (*DATABASE_ERRORS, AssertionError) as error:
            shown, cause = _without_password(storage), _first_line(error)
            if "://" in str(storage):
                raise InvalidValue(f"{shown} cannot be used: {cause}") from None
            raise InvalidValue(
                f"{shown} is damaged or not a search of zoo ({cause}); remove it to start again"
            ) from None

    def _open(self) -> None:
        """Waits for a server that is down, with a message, and tries again after a race of two workers."""
        started, announced = time.monotonic(), False
        while True:
            try:
                self._storage = self._opened(self.location)
                with quiet:
                    self.study = self._study()
                self._end = weakref.finalize(self, _close, self._storage)  # KerasTuner's users do not call `close`
                return
            except DATABASE_ERRORS as error:
                words = str(error.__cause__ or error)
                down, race = (any(word in words for word in signs) for signs in (DOWN, RACE))
                if not (down or race) or time.monotonic() - started > PATIENCE:
                    raise
                if down and not announced:
                    where = f"{_without_password(self.location)} cannot be reached ({_first_line(error)})"
                    print(f"{where}; waiting for it, at most {PATIENCE:.0f} s", file=sys.stderr, flush=True)
                announced |= down
                time.sleep(0.5)

    def _study(self) -> optuna.Study:
        wanted: Literal["minimize", "maximize"] = "minimize" if direction(self.objective) == "min" else "maximize"
        return optuna.create_study(storage=self._storage, study_name=self.name, direction=wanted, load_if_exists=True)

    def _opened(self, storage: str | Path) -> optuna.storages.RDBStorage:
        options: dict[str, Any] = {"pool_pre_ping": True}
        if isinstance(storage, str) and "://" in storage:
            shown = _without_password(storage)
        else:
            Path(storage).parent.mkdir(parents=True, exist_ok=True)
            shown = str(storage)
            storage, options = f"sqlite:///{Path(storage).resolve()}", {"connect_args": {"timeout": 60}}
        try:
            with quiet:
                opened = optuna.storages.RDBStorage(
                    storage, engine_kwargs=options, heartbeat_interval=HEARTBEAT, grace_period=6 * HEARTBEAT
                )
        except ImportError as error:
            raise MissingPackage(f"{shown}: {error}; pip install 'keras-zoo[postgresql]'") from None
        except sqlalchemy.exc.ArgumentError:
            raise InvalidValue(f"storage={shown!r} is neither a file nor a database's URL") from None
        if storage.startswith("sqlite"):
            # Allows readers beside a writer, and syncs once per checkpoint instead of twice per write. A process that
            # is killed loses nothing.
            with opened.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            sqlalchemy.event.listen(opened.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA synchronous=NORMAL"))
        return opened

    def close(self) -> None:
        self._end()

    def patiently(self, call: Callable[[], T]) -> T:
        """Repeats the call while the database is down."""
        started = time.monotonic()
        while True:
            try:
                with quiet:
                    return call()
            except (sqlalchemy.exc.OperationalError, optuna.exceptions.StorageInternalError) as error:
                cause = error.__cause__ or error
                lasting = "malformed" in str(cause) or "not a database" in str(cause) or "is full" in str(cause)
                if lasting or time.monotonic() - started > PATIENCE or not isinstance(self.location, str):
                    raise Unreachable(f"{_without_password(self.location)}: {_first_line(cause)}") from None
                self._storage.remove_session()
                time.sleep(0.5)

    # Settings.

    def settings(self) -> dict[str, Any] | None:
        """The settings that the search was started with; None for a new search."""
        return self.patiently(lambda: self.study.user_attrs).get("asked")

    def start(self, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        """Stores the settings. Raises ValueError with the differences where the history has others."""
        known = self.settings()
        settings = json.loads(json.dumps(settings))  # as the database returns them
        if known is not None and known != settings and not overwrite and self.live():
            raise InvalidValue(
                f"{_without_password(self.location)} has {len(self.trials())} trials of a search with other settings: "
                f"{differences(known, settings)}; undo the change, or start again with overwrite (--overwrite)"
            )
        if known != settings or overwrite:  # a new study, because a study's direction cannot change
            optuna.delete_study(study_name=self.name, storage=self._storage)
            self.study = self.patiently(self._study)
        self.patiently(lambda: self.study.set_user_attr("asked", dict(settings)))

    # Trials.

    def live(self) -> list[FrozenTrial]:
        """Finished and running trials."""
        states = (*FINISHED, TrialState.RUNNING)
        return self.patiently(lambda: self.study.get_trials(deepcopy=False, states=states))

    def trials(self) -> list[Trial]:
        """Finished trials, in the order of drawing."""
        again: dict[int, dict[str, float]] = {}
        for key, value in self.patiently(lambda: self.study.user_attrs).items():
            if key.startswith("again/"):
                _, number, seed = key.split("/")
                again.setdefault(int(number), {})[seed] = value
        finished = [t for t in self.live() if t.state in FINISHED]
        return [Trial(**t.user_attrs["trial"], number=t.number, again=again.get(t.number, {})) for t in finished]

    def add(self, trial: Trial, params: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
        """Adds a finished trial that another sampler than Optuna's has drawn."""
        frozen = optuna.trial.create_trial(
            params=dict(params), distributions=dict(kinds), value=trial.metrics[self.objective],
            user_attrs={"trial": _plain(trial)},
        )  # fmt: skip
        self.patiently(lambda: self.study.add_trial(frozen))

    def finish(self, running: optuna.Trial, trial: Trial) -> None:
        """Stores the result of a trial that Optuna has drawn, unless it has been failed as lost."""

        def store() -> None:
            running.set_user_attr("trial", _plain(trial))
            state = TrialState.PRUNED if trial.pruned else TrialState.COMPLETE
            self.study.tell(running, None if trial.pruned else trial.metrics[self.objective], state)

        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
            self.patiently(store)

    def add_score(self, trial: Trial, seed: int, value: float) -> None:
        """Adds a finalist's objective from a further seed."""
        self.patiently(lambda: self.study.set_user_attr(f"again/{trial.number}/{seed}", value))

    # Lost workers.

    def claim(self, running: optuna.Trial) -> None:
        """Stores which process runs the trial, so that others can detect that the process ended."""
        self.patiently(lambda: self._beat(running))
        self.patiently(lambda: running.set_user_attr("worker", this_worker()))

    def fail_lost(self, alone: bool = False) -> None:
        """Fails the trials whose workers have ended, so that they are drawn again.

        Args:
            alone: there is no other worker, so that every running trial is lost.
        """
        self.patiently(lambda: optuna.storages.fail_stale_trials(self.study))
        for trial in self.live():
            if trial.state != TrialState.RUNNING:
                continue
            worker, begun = trial.user_attrs.get("worker"), trial.datetime_start
            # The worker was killed before its first heartbeat.
            unclaimed = worker is None and begun is not None and (datetime.now() - begun).total_seconds() > UNCLAIMED
            if alone or unclaimed or (worker is not None and _has_ended(worker)):
                with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
                    self.patiently(partial(self.study.tell, trial.number, state=TrialState.FAIL))

    @contextlib.contextmanager
    def heartbeat(self, running: optuna.Trial) -> Iterator[None]:
        """Records a heartbeat every few seconds, so that other workers do not count this trial as lost."""
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(HEARTBEAT):
                with contextlib.suppress(*DATABASE_ERRORS, KeyError):  # database down, or search overwritten
                    self._beat(running)

        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, running: optuna.Trial) -> None:
        study = self._storage.get_study_id_from_name(self.name)
        trial = self._storage.get_trial_id_from_study_id_trial_number(study, running.number)
        self._storage.record_heartbeat(trial)


def this_worker() -> str:
    return f"{_machine()}/{os.getpid()}"


@functools.cache
def _machine() -> str:
    """Hostname, boot and process namespace: many machines and containers share a hostname."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return ":".join(parts)


def _has_ended(worker: str) -> bool:
    machine, _, process = worker.rpartition("/")
    if machine != _machine():
        return False  # unknown here; its heartbeat decides
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        pass
    return False


def write_csv(trials: list[Trial], file: Path) -> None:
    """One row per trial: number, values, metrics, scores from further seeds, epochs, pruned, seconds, error."""
    parts = [(t.values, t.metrics, {f"again_seed_{seed}": v for seed, v in t.again.items()}) for t in trials]
    columns = [list(dict.fromkeys(name for part in kind for name in part)) for kind in zip(*parts, strict=True)]
    with writing(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(["trial", *(name for names in columns for name in names), "epochs", "pruned", "seconds", "error"])
        for t, three in zip(trials, parts, strict=True):
            cells = [part.get(name, "") for part, names in zip(three, columns, strict=True) for name in names]
            rows.writerow([t.number, *cells, t.epochs, t.pruned, round(t.seconds, 3), t.error])


def differences(known: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> str:
    """The settings that differ, in one line."""
    lines = []
    for name in dict.fromkeys((*known, *now)):
        old, new = known.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines.append(differences(old, new, f"{path}{name}: "))
        else:
            lines.append(f"{path}{name} was {_short(old)}, is {_short(new)}")
    return "; ".join(lines)


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _plain(trial: Trial) -> dict[str, Any]:
    stored = {name: getattr(trial, name) for name in ("values", "epochs", "pruned", "error")}
    metrics = {name: value for name, value in trial.metrics.items() if math.isfinite(value)}
    return {**stored, "metrics": metrics, "seconds": round(trial.seconds, 3)}


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(error).__name__])[0]


def _close(storage: optuna.storages.RDBStorage) -> None:
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
