"""Progress of long stages: one live line in a terminal, a few plain lines elsewhere."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

Report = Callable[[str], None]
LEAST_SECONDS = 2.0
SHARE = 0.05  # of the time since the stage began, which must pass too: hours give some dozens of lines
LAYOUT = "{desc}  {bar:20}  {n_fmt}/{total_fmt} {unit}{postfix}  {elapsed}, {remaining} left"
OPEN_LAYOUT = "{desc}  {n_fmt} {unit}{postfix}  {elapsed}"
_live: list[Any] = []  # bars on the terminal


class Terminal:
    """Prints lines to a terminal, above the live line of the stage that runs."""

    def __init__(self, stream: TextIO, bar: Any) -> None:
        self.stream, self._bar = stream, bar

    def __call__(self, line: str) -> None:
        self._bar.write(line, file=self.stream)

    def open(self, name: str, total: int | None, unit: str) -> Any:
        bar = self._bar(
            desc=name, total=total, unit=unit, file=self.stream, leave=False, mininterval=0,
            bar_format=OPEN_LAYOUT if total is None else LAYOUT, **_width(self.stream),
        )  # fmt: skip
        _live.append(bar)
        return bar


def _width(stream: TextIO) -> dict[str, Any]:
    """tqdm's options: the terminal's own width, or 80 columns if it reports none."""
    return {"dynamic_ncols": True} if os.get_terminal_size(stream.fileno()).columns else {"ncols": 80, "nrows": 24}


def close_live(*bars: Any) -> None:
    """Removes these live lines from the terminal, or all: after an exception some may be left."""
    for bar in bars or tuple(_live):
        bar.close()
        if bar in _live:
            _live.remove(bar)


def console(stream: TextIO | None = None) -> Report:
    """A report to `stream`, stderr by default, with live lines if it is a terminal and tqdm is installed."""
    stream = sys.stderr if stream is None else stream
    if stream.isatty():
        with contextlib.suppress(ImportError):  # the base install works without
            from tqdm import tqdm

            return Terminal(stream, type("Bar", (tqdm,), {"monitor_interval": 0}))  # without tqdm's thread
    return lambda line: print(line, file=stream, flush=True)


class Stage:
    """Progress of a long part of a verb.

    Args:
        report: gets plain lines, or is the `Terminal` that shows the live one.
        name: of the stage. total: number of steps, None if unknown. unit: of a step.
        seconds: shortest time between two plain lines.
    """

    def __init__(
        self,
        report: Report,
        name: str,
        total: int | None = None,
        unit: str = "steps",
        seconds: float = LEAST_SECONDS,
    ) -> None:
        self._report, self._name, self._total, self._unit, self._seconds = report, name, total, unit, seconds
        self._began = self._last = time.monotonic()
        self._counted = 0
        self._bar, self._lock, self._ended = None, threading.Lock(), threading.Event()
        if isinstance(report, Terminal):
            self._bar = report.open(name, total, unit)
            threading.Thread(target=self._tick, daemon=True).start()

    def advance(self, done: int, note: str = "", line: str | None = None) -> None:
        """Reports that `done` steps are done.

        Args:
            note: for example the latest and the best figure.
            line: printed if there is no live line, instead of name, steps and note.
        """
        if self._bar is not None:
            with self._lock:
                self._bar.set_postfix_str(note, refresh=False)
                self._bar.n = done
                self._bar.refresh()
            return
        now = time.monotonic()
        gap = max(self._seconds, SHARE * (now - self._began))
        if now - self._last >= gap or done == self._total:
            self._last = now
            self._report(line or f"{self._name}: {done}/{self._total or '?'} {self._unit}  {note}".rstrip())

    def counted(self, line: str) -> None:
        """A report for a part that prints one line per step: passes the line on and counts it."""
        self._report(line)
        self._counted += 1
        if self._bar is not None:
            self.advance(self._counted, line.partition(": ")[0])

    def close(self) -> None:
        self._ended.set()
        with self._lock:
            if self._bar is not None:
                close_live(self._bar)
                self._bar = None

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tick(self) -> None:
        """Refreshes the clock of the live line during a long step."""
        while not self._ended.wait(1.0):
            with self._lock:
                if self._bar is not None:
                    self._bar.refresh()
