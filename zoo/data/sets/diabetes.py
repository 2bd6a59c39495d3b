"""Diabetes."""

from typing import TYPE_CHECKING

from zoo.data.carriers import SKLEARN, Source

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="diabetes",
    task="regression, tabular",
    samples=442,
    shape=(10,),
    licence="not stated",
    citation="B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least Angle Regression, Annals of Statistics 32(2), "
    "2004",
    carrier=SKLEARN,
    sha256="47e8d34ab2e051ea1b53263c8010fcffc7e91ddfbaa18c58cf7ede538d69cd88",
)


def diabetes() -> "Dataset":
    """442 patients: age, sex, body mass index, blood pressure, 6 blood values; the target is the disease's progression.

    From scikit-learn, unscaled: its scaled values use the mean of all samples, test included.

    Source: B. Efron et al., Least Angle Regression (2004).
    """
    SOURCE.require()
    from sklearn.datasets import load_diabetes

    from zoo.data.sets._tabular import tabular

    return tabular(SOURCE, load_diabetes(scaled=False), "progression after one year")
