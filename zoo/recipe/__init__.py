"""Describes one run as values: recipe, task, optimizer, schedule, bounds; and where recipes and released files are.

It must not train or write results. Names are loaded at first use, so that `zoo list` does not import TensorFlow.
"""

from typing import TYPE_CHECKING

from zoo.base.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.recipe.bounds import Bounds as Bounds
    from zoo.recipe.bounds import Limits as Limits
    from zoo.recipe.recipe import Recipe as Recipe

__getattr__, __dir__, __all__ = lazy_names(__name__)
