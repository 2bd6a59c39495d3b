"""Searches under kill -9, at random moments: of workers, of the parent, of the database server; Ctrl-C; a full disk.

PostgreSQL is Debian's (`apt-get install postgresql`), started here on loopback, in a folder of its own.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Gate, start, write_recipe

from zoo.tuning.history import History

MORE_TRIALS, KILLS = 100, 20
DEADLINE = 3600.0  # a safety net: nothing here depends on how fast the machine is
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Server:
    """PostgreSQL on loopback, as a user that is not root, which it refuses to run as."""

    def __init__(self, folder):
        self.folder = folder
        self.run = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        subprocess.run([*self.run, "mkdir", "-p", folder], check=True)
        subprocess.run([*self.run, BINARIES[-1] / "initdb", "-D", folder, "-A", "trust", "-U", "zoo"], check=True)
        self.start()
        subprocess.run([*self.run, BINARIES[-1] / "createdb", *self._where(), "search"], check=True)
        self.url = f"postgresql+psycopg://zoo@127.0.0.1:{self.port}/search"

    def _where(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "zoo"]

    def start(self):
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        command = [BINARIES[-1] / "pg_ctl", "-D", self.folder, "-o", options, "-w", "-l", self.folder / "log", "start"]
        subprocess.run([*self.run, *command], check=True, stdout=subprocess.DEVNULL)

    def kill(self):
        os.kill(int((self.folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        for _ in range(30):  # its children notice within seconds, and no new server starts while one of them is there
            time.sleep(1)
            (self.folder / "postmaster.pid").unlink(missing_ok=True)
            with contextlib.suppress(subprocess.CalledProcessError):
                return self.start()
        raise TimeoutError((self.folder / "log").read_text()[-2000:])

    def stop(self):
        with contextlib.suppress(Exception):
            os.kill(int((self.folder / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        time.sleep(1)


@pytest.fixture
def server():
    if not BINARIES:
        pytest.skip("PostgreSQL is not here; apt-get install postgresql")
    pytest.importorskip("psycopg", reason="pip install 'keras-zoo[postgresql]'")
    folder = Path(f"/tmp/zoo-postgresql-{os.getpid()}")
    running = Server(folder)
    yield running
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


def children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [int(child) for child in found]


def trials(place):
    history = History(place, "quick", "val_loss")
    found = history.trials()
    history.close()
    return {json.dumps(t.values, sort_keys=True): t.metrics for t in found}, len(found)


def struck(victim, process, chance, request):
    """Kills it with -9; gives its kind, or None where there is no worker yet."""
    if victim == "server":
        request.getfixturevalue("server").kill()
        return victim
    workers = children(process.pid)
    if victim == "worker" and not workers:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid if victim == "parent" else chance.choice(workers), signal.SIGKILL)
    if victim == "parent":
        process.wait()
    return victim


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_kills_lose_no_finished_trial_and_the_count_is_reached(kind, tmp_path, request):
    victims = ["worker", "parent"]
    command = [sys.executable, "-m", "zoo", "tune", write_recipe(tmp_path / "quick.py", more=SPACE), "--workers", "2"]
    command += ["--out", tmp_path / "out"]
    place = tmp_path / "out" / "search.db"
    if kind == "postgresql":
        server = request.getfixturevalue("server")
        place = server.url
        command += ["--storage", server.url]
        victims.append("server")
    chance, kills, seen, wanted = random.Random(7), 0, {}, MORE_TRIALS
    with open(tmp_path / "log", "w") as log:
        process = None
        deadline = time.monotonic() + DEADLINE
        while True:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-2000:]
            if process is None:
                process = start([*command, "--trials", wanted], stdout=log, stderr=log, cwd=tmp_path)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(2, 12) if kills < KILLS else 5)
            if process.poll() is not None:
                assert process.returncode == 0, (tmp_path / "log").read_text()[-2000:]
                if kills == KILLS:
                    break
                process, wanted = None, wanted + MORE_TRIALS  # a quick machine was done before the last kill
                continue
            if kills == KILLS or not (victim := struck(chance.choice(victims), process, chance, request)):
                continue
            kills += 1
            if victim == "parent":
                process = None
            if kind == "postgresql" or Path(place).is_file():
                now, _ = trials(place)
                assert seen.items() <= now.items(), "a finished trial is gone, or another one now"
                seen = now
    now, count = trials(place)
    assert count == len(now) == wanted, "each finished trial once, and as many as were asked for"
    assert seen.items() <= now.items()
    told = (tmp_path / "log").read_text()
    assert re.search(rf"best of {wanted} trials", told)
    print(f"{kind}: {kills} kills, {count} trials")


def tune(folder, *options, before=()):
    """`zoo tune` of the folder's quick recipe; progress on its stderr."""
    recipe = folder / "quick.py"
    if not recipe.exists():
        write_recipe(recipe, more=SPACE)
    command = [*before, sys.executable, "-m", "zoo", "tune", recipe, *options]
    return start(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=folder)


def wait_for_a_trial(process):
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith("trial"):
            return
    raise AssertionError("".join(seen))


def history_of(folder):
    history = History(folder / "search.db", "quick", "val_loss")
    found = [(t.values, t.metrics, t.epochs, t.pruned) for t in history.trials()]
    history.close()
    return found


def test_one_worker_that_is_killed_has_the_history_of_one_that_is_not(tmp_path):
    gate = Gate(tmp_path / "quick.py", tmp_path / "cut", more=SPACE)
    gate.allow(16)
    whole = tune(tmp_path, "--trials", 16, "--out", tmp_path / "whole")
    assert whole.communicate(timeout=DEADLINE) and whole.returncode == 0
    chance, before = random.Random(3), []
    for _ in range(4):
        gate.allow(len(before) + 3)
        process = tune(tmp_path, "--trials", 16, "--out", tmp_path / "cut")
        wait_for_a_trial(process)
        time.sleep(chance.uniform(0, 1))
        process.kill()
        process.communicate()
        now = history_of(tmp_path / "cut")
        assert now[: len(before)] == before and len(now) > len(before), "each got on, and lost nothing"
        before = now
    assert len(before) < 16
    gate.allow(16)
    last = tune(tmp_path, "--trials", 16, "--out", tmp_path / "cut")
    assert last.communicate(timeout=DEADLINE) and last.returncode == 0
    assert history_of(tmp_path / "cut") == history_of(tmp_path / "whole")


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_stops_a_search_and_keeps_all_trials(workers, tmp_path):
    Gate(tmp_path / "quick.py", tmp_path / "out", more=SPACE).allow(1)  # then every trial waits without end
    process = tune(tmp_path, "--trials", 400, "--workers", workers, "--out", tmp_path / "out")
    wait_for_a_trial(process)
    at_work = children(process.pid)
    before = history_of(tmp_path / "out")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130 and "interrupted; finished results are kept" in told and "Traceback" not in told
    assert not [pid for pid in at_work if Path(f"/proc/{pid}").exists()]
    assert history_of(tmp_path / "out")[: len(before)] == before


def test_a_disk_that_is_full_ends_a_search_in_words_and_what_was_found_goes_on(tmp_path):
    own = ["unshare", "-rm", "sh", "-c"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*own, "mount -t tmpfs tmpfs /mnt"], capture_output=True).returncode
    ):
        pytest.skip("a small disk of one's own needs `unshare -rm`, which is not allowed here; run it on Linux as root")
    (small := tmp_path / "small").mkdir()
    script = f'mount -t tmpfs -o size=1500k tmpfs {small} && "$@"; code=$?; cp -r {small} {tmp_path}/kept; exit $code'
    process = tune(tmp_path, "--trials", 200, "--out", small, before=[*own, script, "sh"])
    _, told = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2 and "full" in told.splitlines()[-1] and "Traceback" not in told, told[-2000:]
    before = history_of(tmp_path / "kept")
    assert 0 < len(before) < 200
    more = tune(tmp_path, "--trials", len(before) + 2, "--out", tmp_path / "kept")
    assert more.communicate(timeout=DEADLINE) and more.returncode == 0
    assert history_of(tmp_path / "kept")[: len(before)] == before


SPACE = "space=lambda hp: {'learning_rate': hp.Float('rate', 1e-4, 1e-1, sampling='log')},"
