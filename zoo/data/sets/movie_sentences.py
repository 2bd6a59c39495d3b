"""Sentences of film reviews."""

from typing import TYPE_CHECKING

from zoo.data.carriers import Source, SourceArchive

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="movie_sentences",
    task="2 classes of texts",
    samples=10_605,
    shape=(48,),
    licence="MIT (vaderSentiment)",
    citation="C. Hutto and E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media "
    "Text, ICWSM, 2014; sentences of B. Pang and L. Lee, 2004",
    carrier=SourceArchive(
        "vaderSentiment==3.3.2",
        "vaderSentiment-3.3.2.tar.gz",
        "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    ),
    sha256="bd6603e60d0093d638cd0b21a445157d4d65dc4829b4f26099a203497ae494fe",
)


def movie_sentences(words: int = 5000, steps: int = 48) -> "Dataset":
    """10,568 sentences of film reviews as tokens; 0 negative, 1 positive, by the mean rating of twenty people.

    Sentences rated 0 are left out. The vocabulary is that of train. The sentences are those of rt-polarity and SST, so
    neither of these can test a model that was trained here.

    Source: C. Hutto and E. Gilbert (2014), from the source archive of the package vaderSentiment.

    Args:
        words: size of the vocabulary, padding and the unknown word included.
        steps: tokens of an input; longer sentences are cut.
    """
    SOURCE.require()
    import numpy as np

    from zoo.data.vocabulary import from_texts

    content = SOURCE.read(
        "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
        "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
    ).decode()
    rows = [line.split("\t") for line in content.splitlines()]
    rated = [(text, float(rating) > 0) for _, rating, text in rows if float(rating) != 0]
    y = np.array([positive for _, positive in rated], "int32")
    texts, labels = [text for text, _ in rated], ("disliked", "liked")
    return SOURCE.describe(
        from_texts(SOURCE.name, texts, y, words=words, steps=steps, labels=labels), target="rating above 0"
    )
