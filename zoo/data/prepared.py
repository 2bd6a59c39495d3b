"""What TensorFlow Datasets has prepared on this machine, and what it downloads; without importing it."""

import importlib.util
import json
import os
import queue
import re
import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zoo.base.errors import InvalidValue, NotFound
from zoo.data.carriers import Carrier, DebianPackage

SECONDS = 1.0  # that a host may take to answer; the whole check must take less than 2 s
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def data_dir() -> Path:
    """The folder of TensorFlow Datasets: `$TFDS_DATA_DIR`, or its default."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


@dataclass(frozen=True)
class Prepared(Carrier):
    """A builder of TensorFlow Datasets.

    Attributes:
        builder: its name, with configuration and version where wanted: "emnist/letters:3.1.0".
        files: a package with the files that the builder would download.
    """

    builder: str
    files: DebianPackage | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]\w*(/[\w.\-]+)?(:\d+\.\d+\.\d+)?", self.builder):
            raise InvalidValue(
                f"builder={self.builder!r} must be a name, with configuration and version where wanted, such as "
                "'cifar10' or 'emnist/letters:3.1.0'"
            )

    @property
    def name(self) -> str:
        return re.split("[/:]", self.builder)[0]

    @property
    def here(self) -> bool:
        return self.folder is not None

    @property
    def command(self) -> str:
        prepare = f"zoo data prepare {self.known_as}"
        if self.here or self.files is None or self.files.here:
            return prepare
        return f"{self.files.command} && {prepare}"

    @property
    def known_as(self) -> str:
        """Name of the data set."""
        return self.builder if self.files else f"tfds:{self.builder}"

    @property
    def folder(self) -> Path | None:
        """Folder of the prepared data set, in the newest version if none is named; None if it is not prepared.

        TensorFlow Datasets renames the folder when all is written, so a folder of this name is complete.

        Raises:
            ValueError: several configurations are prepared and none is named.
        """
        path, _, version = self.builder.partition(":")
        root = data_dir() / path
        found = _versions(root, version)
        if not found and "/" not in path:
            configurations = [c for c in sorted(root.glob("*/")) if _versions(c, version)]
            if len(configurations) > 1:
                names = ", ".join(f"{self.name}/{c.name}" for c in configurations)
                raise InvalidValue(f"{root} holds several configurations; name one of {names}")
            found = _versions(configurations[0], version) if configurations else []
        return found[-1] if found else None

    def check_whole(self, folder: Path) -> None:
        """Raises ValueError where files of a prepared data set are missing or cut."""
        for split in json.loads((folder / "dataset_info.json").read_text(encoding="utf-8")).get("splits", ()):
            pattern = split.get("filepathTemplate", "")
            records = [int(n) for n in split.get("shardLengths", ())]
            least = int(split.get("numBytes", 0))
            if not pattern.endswith("{FILEFORMAT}-{SHARD_X_OF_Y}") or "tfrecord" not in _format(folder):
                continue  # another layout: its reader checks it
            name = pattern.format(
                DATASET=self.name, SPLIT=split["name"], FILEFORMAT="tfrecord", SHARD_X_OF_Y="{0:05d}-of-{1:05d}"
            )
            files = [folder / name.format(i, len(records)) for i in range(len(records))]
            missing = [file for file in files if not file.is_file()]
            # Each record has 16 bytes more: its length and two checksums.
            if missing or sum(file.stat().st_size for file in files) != least + 16 * sum(records):
                raise InvalidValue(
                    f"{missing[0] if missing else files[0]} is {'missing' if missing else 'cut or damaged'}; "
                    f"this brings it anew: rm -r {folder} && zoo data prepare {self.known_as}"
                )

    def downloads(self) -> dict[str, dict[str, Any]]:
        """Bytes, SHA-256 and file name of each download of the builder, by address, as TensorFlow Datasets lists them.

        Empty where it lists none. Raises LookupError where TensorFlow Datasets is not installed.
        """
        spec = importlib.util.find_spec("tensorflow_datasets")
        if spec is None or not spec.submodule_search_locations:
            raise NotFound("TensorFlow Datasets is not installed; this brings it: pip install 'keras-zoo[train]'")
        package = Path(spec.submodule_search_locations[0])
        for path in (
            package / "url_checksums" / f"{self.name}.txt",
            package / "datasets" / self.name / "checksums.tsv",
        ):
            if path.is_file():
                return dict(map(_download, filter(str.strip, path.read_text(encoding="utf-8").splitlines())))
        return {}


def check_network(addresses: list[str], seconds: float = SECONDS) -> str | None:
    """None if one of the hosts answers, else the error of the first one, after at most `seconds`."""
    by_host = {urlsplit(address).netloc: address for address in reversed(addresses) if address.startswith("http")}
    if not by_host:
        return None  # unknown addresses: TensorFlow Datasets reports its own errors
    answers: queue.Queue[str | None] = queue.Queue()
    for address in by_host.values():
        # A daemon thread, because no timeout covers looking up a name.
        threading.Thread(target=lambda a=address: answers.put(_error_of(a, seconds)), daemon=True).start()
    end, reason = time.monotonic() + seconds, None
    for _ in by_host:
        try:
            reason = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            reason = reason or f"no answer within {seconds:g} s"
            break
        if reason is None:
            return None
    return f"{next(iter(by_host))}: {reason}"


def _error_of(address: str, seconds: float) -> str | None:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        proxied = urlsplit(address).scheme in urllib.request.getproxies()
        failed = error.code in (407, 502, 503, 504) or (proxied and error.code == 403)  # a proxy answered
        return f"{error.code} {error.reason}" if failed else None
    except urllib.error.URLError as error:
        return None if isinstance(error.reason, ssl.SSLError) else str(error.reason)  # the host answered
    except OSError as error:
        return str(error)


def _versions(folder: Path, version: str) -> list[Path]:
    """Folders of the prepared versions, the newest last."""
    found = [path.parent for path in folder.glob("*/dataset_info.json") if _VERSION.fullmatch(path.parent.name)]
    found = [path for path in found if version in ("", path.name) and (path / "features.json").is_file()]
    return sorted(found, key=lambda path: tuple(map(int, path.name.split("."))))


def _format(folder: Path) -> str:
    return json.loads((folder / "dataset_info.json").read_text(encoding="utf-8")).get("fileFormat", "tfrecord")


def _download(line: str) -> tuple[str, dict[str, Any]]:
    address, size, sha256, *name = line.split("\t") if "\t" in line else line.split()
    return address, {"bytes": int(size), "sha256": sha256, "file": name[0] if name else address.rpartition("/")[2]}
