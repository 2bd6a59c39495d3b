"""float32: as trained."""

from zoo.exporting.precision import Precision

PRECISION = Precision("as trained", rank=10, quantized=False, drop=0.001, difference=1e-4, mean_difference=1e-5)
