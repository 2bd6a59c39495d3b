"""float32: as trained."""

from zoo.exporting.precision import Precision


def configure(converter, inputs):
    pass


PRECISION = Precision("as trained", configure, rank=10, drop=0.001, difference=1e-4, mean_difference=1e-5)
