"""Images, in one folder a class or named in a CSV, as a data set; and one image as an input of a model."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue, MissingPackage
from zoo.data.dataset import Dataset
from zoo.data.folders import enough, files_of, left_out, noted

if TYPE_CHECKING:
    from PIL import Image

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
LARGEST = 64  # pixels of a side, where no size is given
MOST_PIXELS = 64_000_000  # of a file; a few hundred bytes can claim gigabytes


def images(
    path: str | Path,
    size: int | Sequence[int] | None = None,
    channels: int | None = None,
    *,
    target: str | None = None,
    test: float = 0.2,
    validation: float = 0.15,
) -> Dataset:
    """Images of any size and mode, in one folder a class: `zoo.data.images("flowers/")`; or a CSV of paths and classes.

    They are turned as their EXIF data say and scaled to one size; transparency is laid on white. Files that are no
    image are left out and told in the data set's notes. Hidden files and links are passed by.

    Args:
        size: height and width of an input, or one number for both; by default the median of what is there, at most 64.
        channels: 1 for grey or 3 for colour; by default 3 where any of the first images has a colour.
        target: the column of classes, of a CSV; by default one that is called so, or the last one. Its paths begin
            where the CSV is.
        test, validation: fractions, split by content and stratified by class; equal pictures stay together.

    Returns:
        inputs (n, height, width, channels) of 0 to 255.

    Raises:
        FileNotFoundError, ValueError: no such folder, fewer than two classes, or no image that can be read.
    """
    path = Path(path)
    files, labels, notes = files_of(path, IMAGES, "images", target)
    looked_at = [file for i, (file, _) in enumerate(files) if i % max(1, len(files) // 200) == 0]
    if size is None or channels is None:
        size, channels = _shape(looked_at, size, channels)
    height, width = (size, size) if isinstance(size, int) else size
    check_size("height", height)
    check_size("width", width)
    if channels not in (1, 3):
        raise InvalidValue(f"channels={channels} must be 1 for grey or 3 for colour")
    xs, ys, bad = [], [], []
    for file, label in files:
        try:
            xs.append(read_image(file, height, width, channels).astype("uint8"))
            ys.append(label)
        except (ValueError, OSError) as error:
            bad.append(f"{file}: {error}" if str(file) not in str(error) else str(error))
    notes += left_out(bad, len(files), "images")
    x, y, labels, notes = enough(np.array(xs), np.array(ys, "int32"), labels, notes, path)
    dataset = Dataset.split(
        path.resolve().stem, x.astype("float32"), y, labels=labels, test=test, validation=validation
    )
    return noted(dataset, notes)


def read_image(path: str | Path, height: int, width: int, channels: int) -> np.ndarray:
    """(height, width, channels) of 0 to 255, float32.

    Raises ValueError where the file is no image, damaged, or of more than 64 million pixels.
    """
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError:
        raise MissingPackage("reading images needs Pillow: pip install pillow") from None
    try:
        with _opened(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InvalidValue(f"{image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
            image.draft(None, (2 * width, 2 * height))  # a JPEG need not be decoded in full size
            turned = ImageOps.exif_transpose(image)
            if turned.mode.startswith("I") or turned.mode == "F":  # 16 bits and more
                values = np.asarray(turned, "float64")
                top = 65535 if values.max() > 255 else 255
                turned = Image.fromarray((values.clip(0, top) / top * 255).astype("uint8"))
            if "A" in turned.getbands() or "transparency" in turned.info:
                white = Image.new("RGBA", turned.size, "white")
                turned = Image.alpha_composite(white, turned.convert("RGBA"))
            scaled = turned.convert("RGB" if channels == 3 else "L").resize(
                (width, height), Image.Resampling.BOX if turned.width >= 2 * width else Image.Resampling.BILINEAR
            )
            return np.asarray(scaled, "float32").reshape(height, width, channels)
    except ValueError:
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError, MemoryError, EOFError) as error:
        raise InvalidValue(f"{path} is no image that can be read: {str(error).splitlines()[0]}") from None


def _opened(path: str | Path) -> "Image.Image":
    """As Pillow opens it, which reads the head alone; our own limit of pixels makes its warning one too many."""
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
        raise InvalidValue(f"none of the first {len(files)} files can be read as an image, {files[0]} for one")
    height, width = np.median(sizes, axis=0)
    scale = min(1.0, LARGEST / max(height, width))
    found = (max(8, round(height * scale)), max(8, round(width * scale)))
    if size is not None:
        found = (size, size) if isinstance(size, int) else (size[0], size[1])
    return found, channels or (3 if colour else 1)
