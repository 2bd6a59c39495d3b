"""Draws samples beside their augmented versions."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.base.files import writing
from zoo.models.augment.augmentation import Augmentation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def preview(
    layers: Sequence[keras.layers.Layer],
    x: np.ndarray,
    path: str | Path | None = None,
    *,
    samples: int = 4,
    versions: int = 5,
    seed: int = 0,
    words: Sequence[str] | Mapping[int, str] | None = None,
) -> "Figure":
    """Draws the first samples, one row each: the original and some augmented versions.

    Args:
        layers: as for `augmentation=`; copies are used, so their state does not change.
        x: input of the layers, after `preprocessing`: images (n, height, width, channels), series (n, steps,
            channels) or tokens (n, tokens).
        path: of an image file to write, such as .png; none by default.
        samples, versions: rows, and columns beside the first.
        seed: of the random numbers.
        words: word of each token; without it token numbers are shown.

    Returns the figure. Raises ValueError or TypeError: x of another shape, or a bad size.
    """
    from matplotlib.figure import Figure

    x = np.asarray(x)
    if x.ndim not in _DRAW or not len(x):
        raise InvalidValue(
            f"x of shape {x.shape} cannot be drawn; it must be images (n, height, width, channels), series "
            "(n, steps, channels) or tokens (n, tokens), with at least one sample"
        )
    samples, versions = min(check_size("samples", samples), len(x)), check_size("versions", versions)
    x = x[:samples]
    augmentation = _copied(layers, seed)
    columns = [x, *(np.asarray(augmentation(x, training=True)) for _ in range(versions))]
    figure = Figure(figsize=(1.0 + _WIDTH[x.ndim] * len(columns), 0.4 + 1.4 * samples), layout="constrained")
    panels = figure.subplots(samples, len(columns), squeeze=False)
    for row, of_sample in enumerate(panels):
        for column, panel in enumerate(of_sample):
            panel.set(xticks=[], yticks=[])
            if row == 0:
                panel.set_title("original" if column == 0 else str(column), fontsize=9)
            _DRAW[x.ndim](panel, columns[column][row], x[row], words)
    if path is not None:
        with writing(path) as temporary:
            figure.savefig(temporary, dpi=120)
    return figure


def _copied(layers: Sequence[keras.layers.Layer], seed: int) -> Augmentation:
    """Copies whose random states depend on `seed` only; Keras draws them from Python's `random`."""
    state = random.getstate()
    random.seed(seed)
    try:
        return Augmentation([type(layer).from_config({**layer.get_config(), "name": None}) for layer in layers])
    finally:
        random.setstate(state)


def _draw_image(panel: Any, image: np.ndarray, original: np.ndarray, words: Any) -> None:
    low, high = float(original.min()), float(original.max())
    image = np.clip((image - low) / (high - low or 1.0), 0, 1)
    panel.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=1)


def _draw_series(panel: Any, series: np.ndarray, original: np.ndarray, words: Any) -> None:
    panel.plot(series, linewidth=0.8)
    margin = 0.2 * float(np.ptp(original)) or 1.0
    panel.set_ylim(float(original.min()) - margin, float(original.max()) + margin)


def _draw_text(panel: Any, tokens: np.ndarray, original: np.ndarray, words: Any) -> None:
    named = [str(token if words is None else words[token]) for token in tokens.astype(int).tolist() if token]
    lines = [" ".join(named[i : i + 6]) for i in range(0, len(named), 6)]
    panel.text(0.02, 0.95, "\n".join(lines), va="top", fontsize=7, transform=panel.transAxes, clip_on=True)


_DRAW = {2: _draw_text, 3: _draw_series, 4: _draw_image}
_WIDTH = {2: 2.2, 3: 1.8, 4: 1.4}  # inches, by the axes of x
