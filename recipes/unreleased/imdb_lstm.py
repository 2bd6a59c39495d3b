"""IMDb, 50,000 film reviews, liked or not: the first 200 words, embedded, and one LSTM layer.

For: English reviews of films; the words and their tokens travel in the file's archive.

Not for: other languages, other kinds of text, irony.

Not released: `zoo data prepare tfds:imdb_reviews` downloads the data, which this project's own machine could not.
"""

from functools import partial

import zoo

WORDS = 5000

RECIPE = zoo.Recipe(
    data=partial(zoo.data.tfds, "imdb_reviews", words=WORDS, steps=200),
    builder=zoo.lstm,
    arguments={"vocabulary_size": WORDS, "embedding_dim": 32, "units": (64,), "head": "pool", "dropout": 0.3},
    task=zoo.Binary(),
    augmentation=zoo.augment.for_text("light", unknown=1),
    batch_size=64,
    epochs=8,
    oracle="random",
    trials=6,
    trial_epochs=2,
    trial_samples=5_000,
    bounds=zoo.Bounds(score=0.84),
)
