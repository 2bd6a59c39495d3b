"""Presets, "light" and "strong", for each kind of data: a start, to be weakened if labels become wrong."""

from collections.abc import Mapping, Sequence

import keras

from zoo.base.checks import check_choice
from zoo.base.errors import InvalidValue
from zoo.models.augment.sequences import ChannelMasking, Jitter, Scaling, TimeMasking, WindowCrop
from zoo.models.augment.words import SynonymReplacement, WordDropout, WordSwap

STRENGTHS = ("light", "strong")


def for_images(
    strength: str = "light", *, value_range: tuple[float, float] = (0.0, 1.0), flip: bool = True
) -> list[keras.layers.Layer]:
    """For images (height, width, channels): `augmentation=zoo.augment.for_images("strong")`.

    RandAugment (Cubuk et al., 2020) is not included: Keras' layer computes eleven changes to use two, the same two
    for the whole batch, and by default rotates by up to 180 degrees.

    Args:
        strength: "light" flips and shifts a little; "strong" also rotates, zooms, changes brightness and contrast,
            and erases a box (Z. Zhong et al., 2020).
        value_range: of the pixels after `preprocessing`.
        flip: whether to flip horizontally; not for images such as digits or letters, whose meaning changes.

    Raises ValueError for an unknown strength or a bad value_range.
    """
    check_choice("strength", strength, STRENGTHS)
    if len(value_range) != 2 or not value_range[0] < value_range[1]:
        raise InvalidValue(f"value_range={value_range!r} must be the least and the largest value of a pixel")
    layers = [keras.layers.RandomFlip("horizontal")] if flip else []
    # Filling with the nearest pixel suits both photographs and black backgrounds.
    if strength == "light":
        return [*layers, keras.layers.RandomTranslation(0.08, 0.08, fill_mode="nearest")]
    low, high = value_range
    return [
        *layers,
        keras.layers.RandomRotation(0.03, fill_mode="nearest"),  # of a full turn: 11 degrees
        keras.layers.RandomZoom((-0.15, 0.15), (-0.15, 0.15), fill_mode="nearest"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
        keras.layers.RandomBrightness(0.1, value_range=value_range),
        keras.layers.RandomContrast(0.2, value_range=value_range),
        # factor=0.5 would mean a random factor in [0, 0.5]. Filling with noise would take as long as all other layers.
        keras.layers.RandomErasing(
            factor=(0.5, 0.5), scale=(0.02, 0.2), fill_value=(low + high) / 2, value_range=value_range
        ),
    ]


def for_sequences(strength: str = "light") -> list[keras.layers.Layer]:
    """For series (steps, channels) of about unit variance: `augmentation=zoo.augment.for_sequences("strong")`.

    Args:
        strength: "light" is noise and scale; "strong" has more of both, windows, and masks of time and of channels.

    Raises ValueError for an unknown strength.
    """
    check_choice("strength", strength, STRENGTHS)
    if strength == "light":
        return [Scaling(0.05), Jitter(0.03)]
    # ChannelMasking: one of three channels, two of six
    return [WindowCrop(0.8), Scaling(0.15), Jitter(0.08), TimeMasking(0.2), ChannelMasking(0.34)]


def for_text(
    strength: str = "light", *, unknown: int | None = None, synonyms: Mapping[int, Sequence[int]] | None = None
) -> list[keras.layers.Layer]:
    """For tokens (tokens,), with 0 as padding after the text: `augmentation=zoo.augment.for_text("strong")`.

    Args:
        strength: "light" changes about one word in twenty in each way, "strong" one in ten.
        unknown: the token that replaces a dropped word; None to close the gap.
        synonyms: token -> its synonyms; without them no word is replaced.

    Raises ValueError or TypeError for an unknown strength or a bad table.
    """
    check_choice("strength", strength, STRENGTHS)
    rate = 0.05 if strength == "light" else 0.1
    replacement = [SynonymReplacement(synonyms, rate)] if synonyms is not None else []
    return [*replacement, WordSwap(rate), WordDropout(rate, unknown)]
