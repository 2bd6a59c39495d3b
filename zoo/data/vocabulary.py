"""Texts as tokens: integers, 0 for padding, 1 for a word outside the vocabulary."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.data.dataset import Dataset, parted
from zoo.data.splitting import TEST, TRAIN, VALIDATION, apart, content_keys, sides

VOCABULARY = "vocabulary.txt"  # its name in a file's archive
PADDING, UNKNOWN = "", "[unknown]"
_WORD = re.compile(r"\w+(?:'\w+)?|[!?]")


def from_texts(
    name: str,
    texts: Sequence[str],
    y: np.ndarray,
    *,
    test: float | tuple[Sequence[str], np.ndarray] = 0.2,
    validation: float | tuple[Sequence[str], np.ndarray] = 0.15,
    words: int = 2000,
    steps: int = 48,
    labels: tuple[str, ...] = (),
    licence: str = "",
    citation: str = "",
) -> Dataset:
    """Texts as a data set of tokens, split by their words and stratified by class, with the vocabulary of train.

    Texts with equal words are in the same part. Texts of train or validation that equal one of a later part only after
    unknown words are replaced and long texts are cut are left out.

    Args:
        texts, y: n texts and their targets, (n,).
        test, validation: fractions of them, or texts and targets of their own.
        words: size of the vocabulary, padding and the unknown word included.
        steps: tokens of an input; longer texts are cut, shorter ones padded with 0.

    Raises:
        ValueError: a target is missing, or a class has too few texts; see `Dataset`.
    """
    where, y = f"data set {name!r}", np.asarray(y)
    if len(texts) != len(y):
        raise InvalidValue(f"{where}: {len(texts)} texts for {len(y)} targets; each needs one")
    if isinstance(validation, tuple) and not isinstance(test, tuple):
        raise InvalidValue(f"{where}: validation has its own texts, but test={test} is a fraction; give test texts too")
    sentences = [words_of(text) for text in texts]
    if isinstance(test, tuple) and isinstance(validation, tuple):
        side = np.full(len(y), TRAIN)
    else:
        held = 0.0 if isinstance(validation, tuple) else validation
        side = sides(where, keys_of(sentences), y, 0 if isinstance(test, tuple) else test, held)
    for own, given in ((VALIDATION, validation), (TEST, test)):
        if isinstance(given, tuple):
            sentences += [words_of(text) for text in given[0]]
            side, y = np.append(side, np.full(len(given[0]), own)), np.concatenate([y, given[1]])
    known = vocabulary([sentences[i] for i in np.flatnonzero(side == TRAIN)], words)
    x = tokens(sentences, known, steps)
    keys = content_keys(x)
    for earlier in (VALIDATION, TRAIN):  # the test part keeps all its texts
        side[(side == earlier) & ~apart(keys, keys[side > earlier])] = -1
    return Dataset(name, *parted(x, y, side), labels=labels, licence=licence, citation=citation, vocabulary=known)


def words_of(text: str) -> list[str]:
    """Words in lower case, and the tokens ! and ?, which matter for sentiment."""
    return _WORD.findall(text.lower())


def keys_of(sentences: Sequence[list[str]]) -> np.ndarray:
    """A key for each text, (n,); texts of equal words have equal keys."""
    return np.array([hashlib.sha256(" ".join(words).encode()).hexdigest().encode() for words in sentences])


def vocabulary(sentences: Sequence[list[str]], size: int) -> tuple[str, ...]:
    """The word of each token: padding, the unknown word, then the most frequent words of the training texts.

    Words of equal frequency are in alphabetical order.
    """
    check_size("words", size, minimum=3)
    counts = Counter(word for words in sentences for word in words)
    return PADDING, UNKNOWN, *sorted(counts, key=lambda word: (-counts[word], word))[: size - 2]


def tokens(sentences: Sequence[list[str]], known: tuple[str, ...], steps: int) -> np.ndarray:
    """(n, steps) of int32. Longer texts are cut; a text without words is one unknown word."""
    check_size("steps", steps)
    number = {word: i for i, word in enumerate(known)}
    x = np.zeros((len(sentences), steps), "int32")
    for row, words in zip(x, sentences, strict=True):
        numbers = [number.get(word, 1) for word in words[:steps]] or [1]
        row[: len(numbers)] = numbers
    return x
