"""Trains one compiled model: the loop, checkpoints, devices, distillation, diagnosis.

It must not know searches, exports or runs. Names are loaded at first use.
"""

from typing import TYPE_CHECKING

from zoo.base.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.training.epoch import compile_epoch as compile_epoch
    from zoo.training.epoch import create_variables as create_variables
    from zoo.training.feed import shuffled as shuffled
    from zoo.training.feed import shuffled_in_blocks as shuffled_in_blocks
    from zoo.training.loop import evaluate as evaluate
    from zoo.training.loop import fit as fit
    from zoo.training.loop import predict as predict

__getattr__, __dir__, __all__ = lazy_names(__name__)
