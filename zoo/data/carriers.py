"""How the data of a package gets here: found without importing the package, and checked before it is read.

The packages are wanted for their files alone, so they are installed without their dependencies.
"""

import abc
import hashlib
import importlib.util
import io
import os
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zoo.base.errors import InvalidValue, NotFound


def home() -> Path:
    """Folder of what this library keeps between runs: `$ZOO_CACHE`, or keras-zoo in the user's cache."""
    if os.environ.get("ZOO_CACHE"):
        return Path(os.environ["ZOO_CACHE"]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras-zoo"


class Carrier(abc.ABC):
    """What brings a data set."""

    @property
    @abc.abstractmethod
    def here(self) -> bool:
        """Whether its files are on this machine."""

    @property
    @abc.abstractmethod
    def command(self) -> str:
        """What brings them."""

    def require(self, data: str) -> None:
        """Raises LookupError, with the command, where the files are not here."""
        if not self.here:
            raise NotFound(f"data set {data!r} is not on this machine; this brings it: {self.command}")


@dataclass(frozen=True)
class Package(Carrier):
    """Files in an installed Python package.

    Attributes:
        requirement: of pip, with the exact version.
        modules: top-level names under which the files may be found; the first one is that of `requirement`.
        files: SHA-256 by path inside the module; none where the package itself gives the arrays.
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

    def read(self, path: str) -> bytes:
        """Content of one of the files. Raises ValueError where it is not the one that is known."""
        folder = self._folder()
        if folder is None:
            raise NotFound(f"{self.requirement} is not installed; this brings it: {self.command}")
        again = self.command.replace("install", "install --force-reinstall")
        return checked((folder / path).read_bytes(), self.files[path], folder / path, again)

    def _folder(self) -> Path | None:
        for module in self.modules:
            spec = importlib.util.find_spec(module)  # of a top-level name: nothing is imported
            for place in (spec and spec.submodule_search_locations) or ():
                if all((Path(place) / path).is_file() for path in self.files):
                    return Path(place)
        return None


@dataclass(frozen=True)
class SourceArchive(Carrier):
    """A file in a package's source archive, which an installation would leave out; pip downloads it into `home()`."""

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
        """Content of a file, by its path in the archive and, where that is an archive too, in that."""
        content = checked(self._path.read_bytes(), self.sha256, self._path, f"rm {self._path}; {self.command}")
        for name in path:
            content = _member(content, name)
        return content

    @property
    def _path(self) -> Path:
        return home() / self.archive


def checked(content: bytes, sha256: str, path: Path, command: str) -> bytes:
    """`content`, which is that of `path`. Raises ValueError, with the command, where it has another SHA-256."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InvalidValue(
            f"{path} is cut, damaged or of another version: its SHA-256 is {found}, not {sha256}; "
            f"this brings it anew: {command}"
        )
    return content


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        file = opened.extractfile(name)
        assert file is not None
        return file.read()
