"""Sentences from film reviews, liked or not: up to 48 words, embedded, and an LSTM that reads them both ways.

For: English sentences about films; words become tokens by the vocabulary in the file's archive, `zoo predict FILE
reviews.txt` does it.

Not for: other languages, whole reviews, other things than films, irony. The sentences are those of rt-polarity and SST,
neither of which can test it.
"""

import zoo
from zoo.recipe.optimizers import narrow_space

WORDS = 5000

RECIPE = zoo.Recipe(
    data=zoo.data.movie_sentences,
    builder=zoo.lstm,
    arguments={
        "vocabulary_size": WORDS,
        "embedding_dim": 64,
        "units": (32,),
        "bidirectional": True,
        "head": "last",
        "dropout": 0.5,
        "spatial_dropout": 0.5,
    },
    task=zoo.Binary(label_smoothing=0.1),
    # Seven thousand sentences are soon known by heart: without much dropping of words validation ends at .735. The mean
    # over all states is as good as the last ones, but not in int8, which loses the sums (.78 on test all the same).
    augmentation=[zoo.augment.WordDropout(0.3, 1)],
    optimizer="adamw",
    learning_rate=1e-3,
    batch_size=64,
    epochs=8,
    teachers=3,
    seed=4,
    space=narrow_space,
    trials=10,
    trial_epochs=4,
    finalists=2,
    precisions=("int8",),  # most of it is the table of words, which in float32 would take two of the 20 MB of all files
    bounds=zoo.Bounds(score=0.74, mean=0.75),
)
