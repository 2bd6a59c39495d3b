"""Fashion-MNIST, 28x28 photographs of clothes, for a microcontroller: four 3x3 convolutions in 48 kB.

For: cameras of a few pixels on a microcontroller with 64 kB to spare; `zoo export fashion_mnist_micro --c-array`
writes the array that goes into firmware.

Not for: phones and the Pi, where fashion_mnist_cnn has room; photographs that are larger, coloured or not cut out.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import decay_space

RECIPE = zoo.Recipe(
    data=partial(zoo.data.fashion_mnist, validation=0.05),
    builder=zoo.cnn,
    # 36,000 weights, most of them where the image is small: there they cost the least time and memory.
    arguments={"filters": (16, 32, 72), "convolutions": (1, 2, 1)},
    task=zoo.Multiclass(10),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    # So few weights hardly overfit: flips are enough, without label smoothing.
    augmentation=[keras.layers.RandomFlip("horizontal")],
    batch_size=128,
    epochs=26,
    # Distillation: half of the targets are the mean outputs of two larger models.
    teachers=2,
    teacher="fashion_mnist_cnn",
    space=decay_space,
    trials=12,
    trial_epochs=26,  # with fewer epochs, learning rates score best that are too high for many
    trial_samples=16_000,
    finalists=1,
    precisions=("int8", "int8_io"),
    target="micro",
    bounds=zoo.Bounds(score=0.92, bytes={"int8": 48_000, "int8_io": 48_000}, arena=64_000),
)
