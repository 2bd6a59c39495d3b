"""Precisions of exported files, one file each; PRECISIONS is what users choose from."""

from zoo.exporting.precisions import dynamic, float16, float32, int8, int8_io, int16x8
from zoo.exporting.precisions.precision import Precision

PRECISIONS: dict[str, Precision] = {
    "float32": float32.PRECISION,
    "float16": float16.PRECISION,
    "dynamic": dynamic.PRECISION,
    "int8": int8.PRECISION,
    "int8_io": int8_io.PRECISION,
    "int16x8": int16x8.PRECISION,
}

__all__ = ["PRECISIONS", "Precision"]
