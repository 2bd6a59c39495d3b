"""Fashion-MNIST, 28x28 photographs of clothes, for a microcontroller: four 3x3 convolutions in 48 kB.

For: cameras of a few pixels on a microcontroller with 64 kB to spare; `zoo export fashion_mnist_micro --c-array`
writes the array that goes into firmware.

Not for: phones and the Pi, where fashion_mnist_cnn has room; photographs that are larger, coloured or not cut out.
"""

from functools import partial

import keras

import zoo

RECIPE = zoo.Recipe(
    data=partial(zoo.data.fashion_mnist, validation=0.05),
    builder=zoo.cnn,
    # 37,000 weights, most of them where the picture is small: there they cost the least time and memory.
    arguments={"filters": (18, 36, 60), "convolutions": (1, 2, 1)},
    task=zoo.Multiclass(10, label_smoothing=0.1),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    augmentation=[
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(0.04, 0.04, fill_mode="nearest"),
    ],
    batch_size=128,
    epochs=20,
    # Usual values, without a search: one of a few short trials takes rates that are too high for many epochs.
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=0.05,
    trials=0,
    precisions=("int8", "int8_io"),
    target="micro",
    bounds=zoo.Bounds(score=0.92, bytes={"int8": 48_000, "int8_io": 48_000}, arena=64_000),
)
