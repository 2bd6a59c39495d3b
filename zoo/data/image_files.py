"""Images of one folder per class, or named in a CSV, as a data set; one image as an input of a model."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue, MissingPackage
from zoo.data.dataset import Dataset
from zoo.data.folders import labelled_files

if TYPE_CHECKING:
    from PIL import Image

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
DEFAULT_SIDE = 64  # pixels, at most, where no size is given
MAX_PIXELS = 64_000_000  # a file of some hundred bytes can decode to gigabytes


def images(
    path: str | Path,
    size: int | Sequence[int] | None = None,
    channels: int | None = None,
    *,
    target: str | None = None,
    test: float = 0.2,
    validation: float = 0.15,
) -> Dataset:
    """Images of any size and mode, in a folder per class: `zoo.data.images("flowers/")`; or a CSV of paths and classes.

    Images are rotated by their EXIF data and scaled to one size; transparency becomes white. Unreadable files are left
    out and noted. Hidden files are ignored.

    Args:
        size: height and width of an input, or one number for both; by default the median of the files, at most 64.
        channels: 1 for grey or 3 for colour; by default 3 where any of the first images has a colour.
        target: the column of classes of a CSV; by default detected by its name, or the last. Paths are relative to the
            CSV.
        test, validation: fractions, split by content and stratified by class; equal images stay in one part.

    Returns:
        inputs (n, height, width, channels) from 0 to 255.

    Raises:
        FileNotFoundError, ValueError: no such folder, fewer than two classes, or no image that can be read.
    """
    path = Path(path)
    files = labelled_files(path, IMAGES, "images", target)
    if size is None or channels is None:
        size, channels = _shape(files.items[:: max(1, len(files.items) // 200)], size, channels)
    height, width = (size, size) if isinstance(size, int) else size
    check_size("height", height)
    check_size("width", width)
    if channels not in (1, 3):
        raise InvalidValue(f"channels={channels} must be 1 for grey or 3 for colour")
    files.read(lambda file: read_image(file, height, width, channels).astype("uint8"), "images")
    return files.split(np.array(files.items).astype("float32"), path, test, validation)


def read_image(path: str | Path, height: int, width: int, channels: int) -> np.ndarray:
    """(height, width, channels) from 0 to 255, float32.

    Raises ValueError where the file is not an image, damaged, or has more than 64 million pixels.
    """
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError:
        raise MissingPackage("reading images needs Pillow: pip install pillow") from None
    try:
        with _opened(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InvalidValue(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
            image.draft(None, (2 * width, 2 * height))  # decodes a JPEG in a smaller size
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I") or upright.mode == "F":  # 16 bits and more
                values = np.asarray(upright, "float64")
                top = 65535 if values.max() > 255 else 255
                upright = Image.fromarray((values.clip(0, top) / top * 255).astype("uint8"))
            if "A" in upright.getbands() or "transparency" in upright.info:
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright.convert("RGBA"))
            scaled = upright.convert("RGB" if channels == 3 else "L").resize(
                (width, height), Image.Resampling.BOX if upright.width >= 2 * width else Image.Resampling.BILINEAR
            )
            return np.asarray(scaled, "float32").reshape(height, width, channels)
    except ValueError:
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError, MemoryError, EOFError) as error:
        raise InvalidValue(f"{path} is not a readable image: {str(error).splitlines()[0]}") from None


def _opened(path: str | Path) -> "Image.Image":
    """Opens an image, of which Pillow reads the header only. Its warning is silenced because MAX_PIXELS is lower."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path)


def _shape(
    files: Sequence[Path], size: int | Sequence[int] | None, channels: int | None
) -> tuple[tuple[int, int], int]:
    from PIL import Image

    sizes, colour = [], False
    for file in files:
        try:
            with _opened(file) as image:
                sizes.append((image.height, image.width))
            if channels is None and not colour:
                small = read_image(file, 16, 16, 3)
                colour = bool((np.ptp(small, axis=2) > 8).any())
        except (ValueError, OSError, SyntaxError, Image.DecompressionBombError):
            continue
    if not sizes:
        raise InvalidValue(f"none of the first {len(files)} files can be read as an image, such as {files[0]}")
    height, width = np.median(sizes, axis=0)
    scale = min(1.0, DEFAULT_SIDE / max(height, width))
    if size is None:
        size = max(8, round(height * scale)), max(8, round(width * scale))
    elif isinstance(size, int):
        size = size, size
    return (size[0], size[1]), channels or (3 if colour else 1)
