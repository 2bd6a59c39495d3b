"""Sentences from film reviews, positive or negative: up to 48 embedded words, and a bidirectional LSTM.

For: English sentences about films. The vocabulary in the file's archive maps words to tokens; `zoo predict FILE
reviews.txt` applies it.

Not for: other languages, whole reviews, other topics than films, irony. Its training sentences are those of rt-polarity
and SST, so that neither can serve as its test set.
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
    # Seven thousand sentences are soon memorized: with less dropping of words, validation ends at .735. The mean over
    # all states is as good as the last ones, but not in int8, which rounds the sums (.78 on test all the same).
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
    precisions=("int8",),  # the embedding is most of the file; in float32 it would take two of the 20 MB of all files
    bounds=zoo.Bounds(score=0.74, mean=0.75),
)
