"""Tuning: searches a recipe's space, or that of a Keras Tuner HyperModel, on train and validation.

`space.py` defines what is drawn, `oracles.py` how to choose, `candidates.py` builds and trains a recipe's candidates,
`tuner.py` loops over trials, `history.py` stores them, `searching.py` does all of it for a recipe, and `workers.py`
runs several processes. This room must not read the test part, and must not know the verbs or the command line.
Names are loaded at first use.
"""

from typing import TYPE_CHECKING

from zoo.base.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.tuning.searching import read_search as read_search
    from zoo.tuning.searching import search as search
    from zoo.tuning.space import with_values as with_values
    from zoo.tuning.trials import WORST as WORST
    from zoo.tuning.trials import Search as Search
    from zoo.tuning.trials import Trial as Trial
    from zoo.tuning.trials import direction as direction
    from zoo.tuning.tuner import Tuner as Tuner

__getattr__, __dir__, __all__ = lazy_names(__name__)
