"""Label-preserving changes of the input, in training only, and mixtures of samples whose labels are mixed alike.

A builder or recipe takes any Keras layers as `augmentation=`, `zoo.augment.for_images("strong")` for instance, and
wraps them in one `Augmentation`. They come after `preprocessing`, so they see what the model's first layer sees.
These are the layers that Keras lacks. Keras' own image layers need `value_range` for pixels outside [0, 255].
"""

from zoo.models.augment.augmentation import Augmentation, RandomLayer
from zoo.models.augment.images import RandomCropAndResize
from zoo.models.augment.mixing import CutMix, Mixing, MixUp, SoftBinaryAccuracy
from zoo.models.augment.presets import for_images, for_sequences, for_text
from zoo.models.augment.sequences import ChannelMasking, Jitter, Scaling, TimeMasking, WindowCrop
from zoo.models.augment.sheet import preview
from zoo.models.augment.words import SynonymReplacement, WordDropout, WordSwap

__all__ = [
    "Augmentation", "ChannelMasking", "CutMix", "Jitter", "MixUp", "Mixing", "RandomCropAndResize", "RandomLayer",
    "Scaling", "SoftBinaryAccuracy", "SynonymReplacement", "TimeMasking", "WindowCrop", "WordDropout", "WordSwap",
    "for_images", "for_sequences", "for_text", "preview",
]  # fmt: skip
