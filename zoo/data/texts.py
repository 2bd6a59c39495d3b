"""Texts as tokens: whole numbers, 0 for padding, 1 for a word that the vocabulary has not."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from zoo.checks import check_size

PADDING, UNKNOWN = "", "[unknown]"
_WORD = re.compile(r"\w+(?:'\w+)?|[!?]")


def words_of(text: str) -> list[str]:
    """Words in lower case, with ! and ?, which tell a mood."""
    return _WORD.findall(text.lower())


def keys_of(sentences: Sequence[list[str]]) -> np.ndarray:
    """A key for each text, (n,): texts of equal words have equal keys."""
    return np.array([hashlib.sha256(" ".join(words).encode()).hexdigest().encode() for words in sentences])


def vocabulary(sentences: Sequence[list[str]], size: int) -> tuple[str, ...]:
    """What each token stands for: padding, the unknown word, then the most frequent words of these texts.

    Give it the texts of train alone. Words of one frequency come in the order of the alphabet.
    """
    check_size("words", size, minimum=3)
    counts = Counter(word for words in sentences for word in words)
    return PADDING, UNKNOWN, *sorted(counts, key=lambda word: (-counts[word], word))[: size - 2]


def tokens(sentences: Sequence[list[str]], known: tuple[str, ...], steps: int) -> np.ndarray:
    """(n, steps) of int32. What is longer is cut; a text without words is one unknown word."""
    check_size("steps", steps)
    number = {word: i for i, word in enumerate(known)}
    x = np.zeros((len(sentences), steps), "int32")
    for row, words in zip(x, sentences, strict=True):
        found = [number.get(word, 1) for word in words[:steps]] or [1]
        row[: len(found)] = found
    return x
