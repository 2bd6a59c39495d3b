"""float32: as trained."""

from zoo.exporting.precisions.precision import Precision


def configure(converter, samples):
    pass


PRECISION = Precision("as trained", configure, drop=0.001, difference=1e-4, mean_difference=1e-5)
