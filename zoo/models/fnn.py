"""Feed-forward networks, for numbers and for tables with categories.

Source: D. Rumelhart, G. Hinton, R. Williams, Learning representations by back-propagating errors, Nature 1986;
residual connections by K. He et al., CVPR 2016; embeddings of categories by C. Guo and F. Berkhahn, 2016.
"""

from collections.abc import Mapping, Sequence
from typing import Unpack

import keras
from keras import ops

from zoo.base.checks import check_flag, check_input_shape, check_size, check_sizes
from zoo.base.errors import InvalidType, InvalidValue
from zoo.models.blocks import Hidden, Knobs, entrance, prepared, with_logits
from zoo.models.builder import builder
from zoo.models.saving import saved

WIDEST_EMBEDDING = 16


@builder(without=("spatial_dropout",))
def fnn(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    units: Sequence[int] = (64, 32),
    residual: bool = False,
    categories: Mapping[int, int] | None = None,
    name: str = "fnn",
    **knobs: Unpack[Knobs],
) -> keras.Model:
    """Fully connected layers: `zoo.fnn((64,), 10, units=(128, 64), dropout=0.2)`.

    Args:
        input_shape: of one sample; an input of more than one axis is flattened.
        units: one size per hidden layer; () gives a linear model.
        residual: adds the input of each hidden layer to its output, through a linear layer if the sizes differ.
        categories: of a table, column -> number of categories; the column holds their codes 0, 1, ... Each becomes
            an embedding of half as many numbers, at most 16. Larger codes are treated as the last one.
            `preprocessing` and `augmentation` then apply to the other columns only.
    """
    hidden = Hidden(**knobs)
    input_shape = check_input_shape(input_shape, (1, 2, 3, 4), "(features,) or any shape, which is flattened")
    units = check_sizes("units", units, minimum_length=0)
    residual = check_flag("residual", residual)
    categories = _checked(categories, input_shape)

    if categories:
        inputs, x = _table(input_shape[0], categories, hidden)
    else:
        inputs, x = entrance(input_shape, hidden)
        if len(input_shape) > 1:
            x = keras.layers.Flatten()(x)  # (B, features)
    for size in units:
        before = x
        x = keras.layers.Dense(size, **hidden.linear())(x)  # (B, size)
        x = hidden.after(x)
        if residual:
            if before.shape[-1] != size:
                before = keras.layers.Dense(size, **hidden.linear(use_bias=False))(before)
            x = keras.layers.Add()([before, x])
    return with_logits(inputs, x, num_outputs, hidden, name)


def _checked(categories: Mapping[int, int] | None, input_shape: Sequence[int]) -> dict[int, int]:
    if categories is None:
        return {}
    if not isinstance(categories, Mapping):
        raise InvalidType(f"categories={categories!r} must map a column to its number of categories, such as {{3: 12}}")
    if categories and len(input_shape) != 1:
        raise InvalidValue(
            f"categories={dict(categories)} goes with a table, input_shape=(columns,), not {input_shape}"
        )
    for column, count in categories.items():
        check_size("column of categories", column, minimum=0)
        check_size(f"categories[{column}]", count, minimum=2)
        if column >= input_shape[0]:
            raise InvalidValue(f"categories names column {column}, but input_shape={input_shape} has {input_shape[0]}")
    return {int(column): int(count) for column, count in sorted(categories.items())}


def _table(columns: int, categories: Mapping[int, int], hidden: Hidden):
    """The input (B, columns), and its preprocessed numbers concatenated with the embedded categories."""
    numbers = [column for column in range(columns) if column not in categories]
    inputs = keras.Input((columns,), name="input")
    parts = []
    if numbers:
        selected = Columns(numbers, name="numbers")(inputs)  # (B, numbers)
        parts.append(prepared(selected, hidden))
    for column, count in categories.items():
        code = Columns([column], count - 1, name=f"codes_{column}")(inputs)  # (B, 1)
        embedding = keras.layers.Embedding(count, min(WIDEST_EMBEDDING, (count + 1) // 2), name=f"category_{column}")
        parts.append(keras.layers.Flatten()(embedding(code)))  # (B, size)
    return inputs, keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


@saved
class Columns(keras.layers.Layer):
    """Selects columns of a table: (B, columns) -> (B, len(columns)). With `last`, codes are clipped to 0 ... `last`."""

    def __init__(self, columns: Sequence[int], last: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.columns, self.last = [int(column) for column in columns], last

    def call(self, x):
        x = ops.take(x, self.columns, axis=1)
        # Cast to integers before quantization can round them: an int8 file looks up embeddings by the codes themselves.
        return x if self.last is None else ops.cast(ops.clip(x, 0, self.last), "int32")

    def compute_output_spec(self, x):
        dtype = self.compute_dtype if self.last is None else "int32"
        return keras.KerasTensor((x.shape[0], len(self.columns)), dtype)
