"""Breast Cancer Wisconsin (Diagnostic)."""

from typing import TYPE_CHECKING

from zoo.data.carriers import SKLEARN, Source

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="breast_cancer",
    task="2 classes, tabular",
    samples=569,
    shape=(30,),
    licence="CC BY 4.0",
    citation="W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic), UCI, 1993, "
    "doi:10.24432/C5DW2B",
    carrier=SKLEARN,
    sha256="9fb5e4df89e64d38064c011b5329e05a14a05db21458bcb7af0626443ea2fb46",
)


def breast_cancer() -> "Dataset":
    """569 tumours: 30 measurements of the cell nuclei in an image each; 0 malignant, 1 benign. From scikit-learn.

    Source: W. Wolberg et al. (UCI, 1993).
    """
    SOURCE.require()
    from sklearn.datasets import load_breast_cancer

    from zoo.data.sets._tabular import tabular

    return tabular(SOURCE, load_breast_cancer(), "diagnosis")
