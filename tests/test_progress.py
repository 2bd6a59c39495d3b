"""Progress: one live line in a terminal, few plain lines in a pipe, and callbacks of the Python API as they were."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

import pytest
from conftest import ROOT, write_recipe

from zoo.base import progress
from zoo.base.progress import Stage, console

SHOW = """
import sys, time
from zoo.base.progress import Stage, console
report = console()
report("before")
with Stage(report, "search", 5, "trials") as stage:
    for done in range(1, 6):
        time.sleep(0.25)
        stage.advance(done, f"best val_loss {1 / done:.2f}")
        if done == 2:
            report("a line of its own")
report("after")
"""


def in_terminal(*command, columns=100):
    """What a terminal gets from a command on stderr, and its exit code."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 30 if columns else 0, columns, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], stderr=child, stdout=subprocess.DEVNULL, stdin=child, env=environment
    )
    os.close(child)
    output = b""
    while True:
        ready, _, _ = select.select([parent], [], [], 0.1)
        if ready:
            try:
                output += os.read(parent, 65536)
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None:
            break
    os.close(parent)
    return output.decode(), process.wait()


def screen(output):
    """The lines that are left on a screen, which knows carriage returns and the codes that tqdm writes."""
    lines = []
    for line in output.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(re.sub(r"\x1b\[[A-Z]", "", shown).rstrip())
    return [line for line in lines if line]


@pytest.mark.parametrize("columns", [100, 0])
def test_a_terminal_has_one_live_line_which_goes_away(columns):
    """Also one that does not report its width."""
    pytest.importorskip("tqdm")
    output, code = in_terminal("-c", SHOW, columns=columns)
    assert code == 0
    assert screen(output) == ["before", "a line of its own", "after"]
    live = [part for part in re.split(r"[\r\n]", output) if part.startswith("search")]
    assert len(live) >= 5
    assert any("3/5 trials" in line and "best val_loss 0.33" in line and "left" in line for line in live), live
    assert all(len(line) <= 100 for line in live)


def test_the_clock_goes_on_during_a_long_step():
    pytest.importorskip("tqdm")
    program = SHOW.split("report(", maxsplit=1)[0] + "with Stage(report, 'export', 3): time.sleep(2.5)"
    output, _ = in_terminal("-c", program)
    assert {"00:01", "00:02"} <= set(re.findall(r"00:0\d", output))


def test_a_pipe_gets_plain_lines():
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr.splitlines() == [
        "before", "a line of its own", "search: 5/5 trials  best val_loss 0.20", "after",
    ]  # fmt: skip
    assert "\r" not in done.stderr and "\x1b" not in done.stderr


def test_a_long_stage_prints_few_lines(monkeypatch):
    """Ten hours of a step a second: some hundred lines, and the last one."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = []
    stage = Stage(lines.append, "training", 36_000, "epochs")
    for done in range(1, 36_001):
        now[0] += 1.0
        stage.advance(done)
    assert 50 < len(lines) < 250 and lines[-1] == "training: 36000/36000 epochs"


def test_without_tqdm_a_terminal_gets_plain_lines():
    program = "import sys; sys.modules['tqdm'] = None\n" + SHOW
    output, code = in_terminal("-c", program)
    assert code == 0 and screen(output)[0] == "before" and "5/5 trials" in output and "\x1b" not in output


def test_console_writes_lines_to_any_stream(capsys):
    console()("one")
    assert capsys.readouterr().err == "one\n"


def test_a_run_in_a_terminal_shows_each_stage(tmp_path):
    pytest.importorskip("tqdm")
    recipe = write_recipe(tmp_path / "quick.py")
    output, code = in_terminal("-m", "zoo", "run", recipe, "--out", tmp_path / "out")
    assert code == 0, output
    stages = (r"search .*2/2 trials, best val_loss", r"training quick .*4/4 epochs, val_loss .*best", "exporting quick")
    for live in stages:
        assert re.search(live, output), (live, output)
    assert not [line for line in screen(output) if line.startswith(("trial", "epoch"))]
    assert len(screen(output)) < 25


def test_an_error_in_a_terminal_leaves_no_live_line(tmp_path):
    pytest.importorskip("tqdm")
    space = "space=lambda hp: {'learning_rate': hp.Float('rate', 1e-3, 1e-2), 'batch_size': -1},"
    recipe = write_recipe(tmp_path / "hopeless.py", more=space)
    output, code = in_terminal("-m", "zoo", "tune", recipe, "--out", tmp_path / "out")
    assert code == 1 and screen(output)[-1].startswith("zoo: every one of 2 trials failed")
