"""The description of a named data set, and how its files get here.

Packages are found without being imported, and their files checked before they are read. They are wanted for their
files alone, so they are installed without dependencies.
"""

import abc
import dataclasses
import hashlib
import importlib
import importlib.util
import io
import os
import shlex
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base.errors import InvalidValue, NotFound

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset


def home() -> Path:
    """The cache folder of this library: `$ZOO_CACHE`, or keras-zoo in the user's cache."""
    if os.environ.get("ZOO_CACHE"):
        return Path(os.environ["ZOO_CACHE"]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras-zoo"


class Carrier(abc.ABC):
    """What brings the files of a data set to this machine."""

    @property
    @abc.abstractmethod
    def here(self) -> bool:
        """Whether the files are on this machine."""

    @property
    @abc.abstractmethod
    def command(self) -> str:
        """The shell command that brings them."""

    def require(self, data: str) -> None:
        """Raises LookupError, with the command, where the files are not here."""
        if not self.here:
            raise NotFound(f"data set {data!r} is not on this machine; this brings it: {self.command}")

    def read(self, *path: str) -> bytes:
        """Content of one of the files, checked."""
        raise NotImplementedError


@dataclass(frozen=True)
class Package(Carrier):
    """Files in an installed Python package.

    Attributes:
        requirement: for pip, with the exact version.
        modules: top-level modules that may hold the files; the first one is that of `requirement`.
        files: SHA-256 by path in the module; empty where the package itself returns the arrays.
        options: of pip install.
    """

    requirement: str
    modules: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    options: str = "--no-deps "

    @property
    def here(self) -> bool:
        return self._folder() is not None

    @property
    def command(self) -> str:
        return f"pip install {self.options}{self.requirement}"

    def read(self, *path: str) -> bytes:
        """Raises ValueError where the file has another SHA-256."""
        folder = self._folder()
        if folder is None:
            raise NotFound(f"{self.requirement} is not installed; this brings it: {self.command}")
        file = folder.joinpath(*path)
        again = self.command.replace("install", "install --force-reinstall")
        return _checked(file.read_bytes(), self.files["/".join(path)], file, again)

    def _folder(self) -> Path | None:
        for module in self.modules:
            spec = importlib.util.find_spec(module)  # of a top-level name, so nothing is imported
            for folder in (spec and spec.submodule_search_locations) or ():
                if all((Path(folder) / path).is_file() for path in self.files):
                    return Path(folder)
        return None


SKLEARN = Package("'keras-zoo[train]'", ("sklearn",), options="")


@dataclass(frozen=True)
class SourceArchive(Carrier):
    """A file in a package's source archive, which an installation leaves out; pip downloads it into `home()`."""

    requirement: str
    archive: str
    sha256: str

    @property
    def here(self) -> bool:
        return self._path.is_file()

    @property
    def command(self) -> str:
        return f"pip download --no-deps --no-binary :all: --dest {shlex.quote(str(home()))} {self.requirement}"

    def read(self, *path: str) -> bytes:
        """`path`: the file's path in the archive; a second one is that in the archive which the first one names."""
        content = _checked(self._path.read_bytes(), self.sha256, self._path, f"rm {self._path}; {self.command}")
        for name in path:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                file = archive.extractfile(name)
                assert file is not None
                content = file.read()
        return content

    @property
    def _path(self) -> Path:
        return home() / self.archive


@dataclass(frozen=True)
class DebianPackage(Carrier):
    """Gzip files in a Debian package: as their authors published them, except for name and time in the header.

    Attributes:
        name: of the package. folder: where it puts the files.
        packed: Unix time in the published header, by the start of a file's name.
    """

    name: str
    folder: Path
    packed: Mapping[str, int]

    @property
    def here(self) -> bool:
        return self.folder.is_dir()

    @property
    def command(self) -> str:
        return f"sudo apt-get install {self.name}"

    def restore(self, into: Path, sha256: Mapping[str, str]) -> None:
        """Writes the published files, byte for byte.

        Args:
            sha256: by file name.

        Raises:
            LookupError, ValueError: a file is missing or has another SHA-256.
        """
        again = self.command.replace("install", "install --reinstall")
        for name, expected in sha256.items():
            path = self.folder / name
            if not path.is_file():
                raise NotFound(f"there is no {path}; this brings it: {again}")
            stem = name.removesuffix(".gz")
            header = b"\x1f\x8b\x08\x08" + struct.pack("<I", self.packed[stem.split("-")[0]]) + b"\x00\x03"
            content = header + stem.encode() + b"\0" + path.read_bytes()[10:]
            (into / name).write_bytes(_checked(content, expected, path, again))


@dataclass(frozen=True)
class Source:
    """The description of a named data set.

    Attributes:
        name: also that of its file in `zoo.data.sets` and of the function in it.
        task: what a model learns from it.
        samples: in the source, before duplicates and invalid samples are left out.
        shape: of one input.
        licence: of the data, and of the package where it is another one.
        carrier: what brings the files.
        sha256: of the `Dataset` that the function returns by default.
    """

    name: str
    task: str
    samples: int
    shape: tuple[int, ...]
    licence: str
    citation: str
    carrier: Carrier
    sha256: str = ""

    @property
    def here(self) -> bool:
        """Whether the data set can be loaded now."""
        return self.carrier.here

    @property
    def command(self) -> str:
        """The shell command that brings it to this machine, or prepares it."""
        return self.carrier.command

    def require(self) -> None:
        """Raises LookupError, with the command that brings it, where it is not here."""
        self.carrier.require(self.name)

    def read(self, *path: str) -> bytes:
        """Content of one of its files, checked by SHA-256."""
        return self.carrier.read(*path)

    def load(self) -> "Dataset":
        """The data set. Raises LookupError, with the command that brings it, where it is not here."""
        return getattr(importlib.import_module(f"zoo.data.sets.{self.name}"), self.name)()

    def describe(self, dataset: "Dataset", **fields: Any) -> "Dataset":
        """The same data set with licence, citation and `fields`."""
        return dataclasses.replace(dataset, licence=self.licence, citation=self.citation, **fields)


def _checked(content: bytes, sha256: str, path: Path, command: str) -> bytes:
    """`content` of `path`. Raises ValueError, with the command, where it has another SHA-256."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise InvalidValue(
            f"{path} is cut, damaged or of another version: its SHA-256 is {actual}, not {sha256}; "
            f"this brings it anew: {command}"
        )
    return content
