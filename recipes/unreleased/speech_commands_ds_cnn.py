"""Speech Commands, twelve kinds of one second of sound: DS-CNN, the keyword spotter of MLPerf Tiny.

For: ten English commands, silence and the unknown word, spoken into a near microphone.

Not for: running speech, other languages, who speaks.

Not released: `zoo data prepare tfds:speech_commands` downloads the data, which this project's own machine could not.
"""

from functools import partial

import keras

import zoo

RECIPE = zoo.Recipe(
    data=partial(zoo.data.tfds, "speech_commands"),
    builder=zoo.ds_cnn,
    arguments={"dropout": 0.2},
    task=zoo.Multiclass(12),
    # The spectrogram is a convolution, so it is a part of the file: 49 windows of 40 ms, 20 ms apart.
    preprocessing=[
        keras.layers.Rescaling(1 / 32768),
        keras.layers.STFTSpectrogram(
            mode="log", frame_length=640, frame_step=320, fft_length=1024, trainable=False
        ),  # (49, 513)
        keras.layers.AveragePooling1D(12, data_format="channels_first"),  # (49, 42)
        keras.layers.Reshape((49, 42, 1)),
        keras.layers.Normalization(axis=None),
    ],
    batch_size=100,
    epochs=36,
    oracle="random",
    trials=8,
    trial_epochs=3,
    trial_samples=10_000,
    precisions=("float32", "dynamic"),  # squares and logarithms of sound are nothing for eight bits
    bounds=zoo.Bounds(score=0.90),  # MLPerf Tiny asks for .90
)
