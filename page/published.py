"""Published test accuracies by data set, for the plots. These are the only figures typed by hand."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A method's accuracy, and its number of parameters if the source gives it."""

    method: str
    accuracy: float
    source: str
    parameters: int | None = None

    @property
    def bytes(self) -> int | None:
        """Size of the weights in float32."""
        return self.parameters and 4 * self.parameters


_FASHION = "README of zalandoresearch/fashion-mnist, benchmark table"
_SERIES = "hfawaz/dl-4-tsc and the authors' tables, UCR/UEA archive"

PUBLISHED = {
    "fashion_mnist": (
        Published("WRN-40-4", 0.967, _FASHION, 8_900_000),
        Published("DenseNet-BC", 0.954, _FASHION, 768_000),
        Published("MobileNet", 0.950, _FASHION),
        Published("CNN, shortcuts", 0.947, _FASHION),
        Published("3 conv, BN", 0.934, _FASHION, 500_000),
        Published("2 conv", 0.925, _FASHION, 100_000),
        Published("GRU + SVM", 0.897, _FASHION),
        Published("GRU", 0.888, _FASHION),
        Published("MLP", 0.883, _FASHION),
    ),
    "japanese_vowels": (
        Published("FCN", 0.993, _SERIES),
        Published("ResNet", 0.992, _SERIES),
    ),
}
