"""Wine."""

from typing import TYPE_CHECKING

from zoo.data.carriers import SKLEARN, Source

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="wine",
    task="3 classes, tabular",
    samples=178,
    shape=(13,),
    licence="CC BY 4.0",
    citation="S. Aeberhard and M. Forina, Wine, UCI, 1992, doi:10.24432/C5PC7J",
    carrier=SKLEARN,
    sha256="b89f6aa549b0b98c9fb1e9633674d5bc975f676a9259daf42fdfe8e09b8701c1",
)


def wine() -> "Dataset":
    """178 wines of three growers, 13 chemical measurements each. From scikit-learn.

    Source: S. Aeberhard and M. Forina (UCI, 1992).
    """
    SOURCE.require()
    from sklearn.datasets import load_wine

    from zoo.data.sets._tabular import tabular

    return tabular(SOURCE, load_wine(), "grower")
