"""Iris."""

from typing import TYPE_CHECKING

from zoo.data.carriers import SKLEARN, Source

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="iris",
    task="3 classes, tabular",
    samples=150,
    shape=(4,),
    licence="CC BY 4.0",
    citation="R. Fisher, Iris, UCI, 1936, doi:10.24432/C56C76",
    carrier=SKLEARN,
    sha256="6b301a6789e202b933d8d81c46106977f18033bea9b7b15414d480c0e8771473",
)


def iris() -> "Dataset":
    """150 irises of 3 species, 4 lengths in cm each. From scikit-learn; two equal samples stay on one side.

    Source: R. Fisher, The use of multiple measurements in taxonomic problems (1936).
    """
    SOURCE.require()
    from sklearn.datasets import load_iris

    from zoo.data.sets._tabular import tabular

    bunch = load_iris()
    names = tuple(name.removesuffix(" (cm)") for name in bunch.feature_names)
    return tabular(SOURCE, bunch, "species", features=names, units=("cm",) * 4)
