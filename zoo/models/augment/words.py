"""Augmentation of texts: tokens (B, T), whole numbers in any dtype. Token 0 is padding after the text.

Source: J. Wei and K. Zou, EDA: easy data augmentation techniques for boosting performance on text classification
tasks, EMNLP 2019.
"""

import abc
from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from zoo.base.checks import check_number, check_size
from zoo.base.errors import InvalidType, InvalidValue
from zoo.models.augment.augmentation import RandomLayer
from zoo.models.saving import saved


class TokenLayer(RandomLayer):
    """Changes tokens; a subclass implements `changed`. `rate` is the probability for each word."""

    axes = ("tokens",)

    def __init__(self, rate: float = 0.1, seed: int | None = None, **kwargs):
        super().__init__(seed, **kwargs)
        self.rate = check_number("rate", rate, 0, below=1)

    @abc.abstractmethod
    def changed(self, tokens):
        """The changed tokens; both are (B, T) in int32."""

    def change(self, x):
        return ops.cast(self.changed(ops.cast(x, "int32")), x.dtype)

    def uniform(self, tokens):
        """One random number a token, (B, T)."""
        return keras.random.uniform(ops.shape(tokens), dtype="float32", seed=self.generator)


@saved
class WordDropout(TokenLayer):
    """Drops words; a text that would lose all its words stays unchanged.

    Args:
        rate: probability for each word.
        unknown: the token that replaces a word (M. Iyyer et al., ACL 2015, call it word dropout); None to close
            the gap, with more padding at the end (the random deletion of EDA).
    """

    def __init__(self, rate: float = 0.1, unknown: int | None = None, seed: int | None = None, **kwargs):
        super().__init__(rate, seed, **kwargs)
        self.unknown = None if unknown is None else check_size("unknown", unknown)

    def changed(self, tokens):
        word = tokens != 0
        dropped = ops.logical_and(word, self.uniform(tokens) < self.rate)
        left = ops.any(ops.logical_and(word, ops.logical_not(dropped)), axis=1, keepdims=True)
        dropped = ops.logical_and(dropped, left)
        if self.unknown is not None:
            return ops.where(dropped, self.unknown, tokens)
        length = ops.shape(tokens)[1]
        rank = ops.arange(length) + length * ops.cast(dropped, "int32")  # distinct, so that the sort is unambiguous
        return ops.take_along_axis(ops.where(dropped, 0, tokens), ops.argsort(rank, axis=1), axis=1)


@saved
class WordSwap(TokenLayer):
    """Swaps neighbouring words; EDA swaps any two, which changes the meaning more.

    Args:
        rate: probability that a word with a neighbour is swapped.
    """

    def changed(self, tokens):
        batch, length = ops.shape(tokens)
        words = ops.pad(ops.cast(tokens != 0, "int32"), [[0, 0], [0, 1]])
        # Pairs begin at even or at odd positions, so no word is in two pairs.
        odd = keras.random.randint((batch, 1), 0, 2, dtype="int32", seed=self.generator)
        pair = ops.equal(ops.arange(length) % 2, odd)
        first = ops.logical_and(pair, words[:, :-1] * words[:, 1:] == 1)  # a word followed by a word
        first = ops.cast(ops.logical_and(first, self.uniform(tokens) < self.rate), "int32")
        second = ops.pad(first, [[0, 0], [1, 0]])[:, :-1]
        return ops.take_along_axis(tokens, ops.arange(length) + first - second, axis=1)


@keras.saving.register_keras_serializable(package="zoo")
class SynonymReplacement(TokenLayer):
    """Replaces a word by one of its synonyms, chosen uniformly.

    Args:
        synonyms: token -> its synonyms, such as {17: [4, 230]}; other words stay.
        rate: probability for each word that has synonyms.
    """

    def __init__(self, synonyms: Mapping[int, Sequence[int]], rate: float = 0.1, seed: int | None = None, **kwargs):
        super().__init__(rate, seed, **kwargs)
        if not isinstance(synonyms, Mapping) or not synonyms:
            raise InvalidType(f"synonyms={synonyms!r} must be a table from a token to a list, such as {{17: [4, 230]}}")
        self.synonyms = {
            check_size("token of synonyms", token): [check_size(f"synonyms[{token}]", other) for other in others]
            for token, others in synonyms.items()
        }
        if empty := [token for token, others in self.synonyms.items() if not others]:
            raise InvalidValue(f"synonyms[{empty[0]}]=[] is empty; leave a token without synonyms out")
        # Row 0 is for tokens without synonyms; the last entry of `_row` is for all larger tokens.
        self._row = np.zeros(max(self.synonyms) + 2, "int32")
        self._row[list(self.synonyms)] = range(1, len(self.synonyms) + 1)
        self._count = np.array([0, *map(len, self.synonyms.values())], "int32")
        self._table = np.zeros((len(self._count), self._count.max()), "int32")
        for row, others in enumerate(self.synonyms.values(), start=1):
            self._table[row, : len(others)] = others

    def changed(self, tokens):
        row = ops.take(self._row, ops.minimum(tokens, len(self._row) - 1), axis=0)  # (B, T)
        count = ops.take(self._count, row, axis=0)
        chosen = ops.cast(self.uniform(tokens) * ops.cast(count, "float32"), "int32")
        chosen = ops.minimum(chosen, ops.maximum(count - 1, 0))
        synonym = ops.take(self._table.reshape(-1), row * self._table.shape[1] + chosen, axis=0)
        return ops.where(ops.logical_and(count > 0, self.uniform(tokens) < self.rate), synonym, tokens)

    def get_config(self):
        synonyms = [[token, list(others)] for token, others in self.synonyms.items()]
        return {**super().get_config(), "rate": self.rate, "synonyms": synonyms}

    @classmethod
    def from_config(cls, config):
        return super().from_config({**config, "synonyms": dict(config["synonyms"])})  # JSON keys are strings
