"""The `zoo` command: parses arguments, calls a verb, prints its result. It must not import TensorFlow early."""

import contextlib
import os
import platform
import shlex
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator

import click

from zoo.base.errors import CheckFailed, UserError
from zoo.base.progress import close_live
from zoo.cli import collection, files, own_data, runs  # noqa: F401  (they add the verbs)
from zoo.cli.command import cli as cli

DONE, CHECK_FAILED, WRONG_USE, BUG, INTERRUPTED = 0, 1, 2, os.EX_SOFTWARE, 130
STOPPED = "interrupted; finished results are kept, and the same command resumes"
PATIENCE = 1.0  # seconds that an interrupted command has to end by itself


def main() -> None:
    """Runs the command.

    Exit codes: 0 done, 1 a check failed, 2 a mistake of the user's or of the machine (disk, memory), 70 a bug of zoo,
    130 interrupted. With ZOO_DEBUG set, exceptions are raised instead of 2 and 70.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides TensorFlow's start-up messages
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with _ends_in_time():
            sys.exit(cli.main(standalone_mode=False) or DONE)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail(STOPPED, INTERRUPTED)
    except click.ClickException as error:
        _fail(error.format_message(), WRONG_USE)
    except CheckFailed as error:
        _fail(_one_line(error), CHECK_FAILED)
    except BrokenPipeError:  # `zoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    except Exception as error:
        if os.environ.get("ZOO_DEBUG"):
            raise
        if (message := _mistake(error)) is not None:
            _fail(message, WRONG_USE)
        _fail(_bug(error), BUG)


def _mistake(error: Exception) -> str | None:
    """The message of an error that is no bug of ours, else None."""
    if isinstance(error, UserError) or (isinstance(error, ValueError) and _raised_by_deploy(error)):
        return str(error)  # several lines where it shows the user's own code
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else _one_line(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's, on a GPU
        return f"out of memory: {_one_line(error)[:200]}; a smaller batch_size or model needs less"
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] != "zoo":
        return f"this needs {error.name}: pip install 'keras-zoo[train]'"
    return None


def _raised_by_deploy(error: Exception) -> bool:
    """zoo/deploy.py is copied to devices without the rest of zoo, so its errors are no UserErrors."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__") == "zoo.deploy"


def _bug(error: Exception) -> str:
    """Keeps the traceback in a file and names it."""
    from zoo.base.versions import installed_versions

    lines = [
        f"command: {shlex.join(['zoo', *sys.argv[1:]])}",
        f"system: {platform.platform()}",
        *(f"{name}: {version}" for name, version in installed_versions().items()),
        "",
        *traceback.format_exception(error),
    ]
    what = f"{type(error).__name__}: {_one_line(error)}"
    try:
        handle, name = tempfile.mkstemp(prefix="zoo-bug-", suffix=".txt")  # private to the user, a new name
        with open(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
    except OSError as full:
        return f"this is a bug in zoo: {what}; please report it (its traceback could not be written: {full})"
    return f"this is a bug in zoo: {what}; the traceback is in {name}; please report it"


@contextlib.contextmanager
def _ends_in_time() -> Iterator[None]:
    """Ends the process soon after Ctrl-C, although Python sees the signal only when TensorFlow's call returns.

    In a long epoch that takes minutes. Finished results are on disk already, so a thread may end the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end, start = os.pipe()
    os.set_blocking(start, False)
    before = signal.set_wakeup_fd(start, warn_on_full_buffer=False)

    def watch() -> None:
        while signals := os.read(end, 64):
            if signal.SIGINT in signals:
                time.sleep(PATIENCE)
                os.write(2, f"zoo: {STOPPED}\n".encode())
                os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(start)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _fail(message: str, code: int) -> None:
    close_live()
    click.echo(f"zoo: {message.strip()}", err=True)
    sys.exit(code)
