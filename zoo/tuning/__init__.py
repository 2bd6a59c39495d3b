"""Tuning: what a search draws, how it chooses, and what it remembers.

`space.py` is what is drawn, `oracles.py` how to choose, `candidates.py` what a recipe makes of it, `tuner.py` the loop
over trials, `history.py` the memory, `searching.py` all of it for a recipe, `workers.py` for many processes.
"""

from zoo.tuning.searching import read_search, search
from zoo.tuning.space import with_values
from zoo.tuning.trials import WORST, Search, Trial, direction
from zoo.tuning.tuner import Tuner

__all__ = ["WORST", "Search", "Trial", "Tuner", "direction", "read_search", "search", "with_values"]
