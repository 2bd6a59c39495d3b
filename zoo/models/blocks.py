"""What every family shares: the knobs of hidden layers, the input, the logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict

import keras
import numpy as np

from zoo.base.checks import check_choice, check_number, check_rate, check_size
from zoo.base.errors import InvalidType, InvalidValue
from zoo.models.augment import Augmentation

Activation: TypeAlias = str | Callable
Initializer: TypeAlias = str | keras.initializers.Initializer
Regularizer: TypeAlias = str | keras.regularizers.Regularizer | None
Layers: TypeAlias = Sequence[keras.layers.Layer]

# With the default factors of Keras' L1 and L2. Keras 3.15 does not know "l1_l2", and its L1L2() has factors of 0.
REGULARIZERS = {
    "l1": lambda: keras.regularizers.L1(0.01),
    "l2": lambda: keras.regularizers.L2(0.01),
    "l1_l2": lambda: keras.regularizers.L1L2(0.01, 0.01),
}
NORMALIZATIONS = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}
RECTIFIERS = ("relu", "relu6", "leaky_relu", "prelu", "p_re_lu", "elu", "gelu", "silu", "swish", "hard_silu", "mish")
# "glu" halves the channels and "threshold" needs arguments.
_NO_ACTIVATION = {"get", "serialize", "deserialize", "glu", "threshold"}
_KNOWN = {n for n in vars(keras.activations) if n.islower() and not n.startswith("_")}
ACTIVATIONS = {"prelu", *(_KNOWN - _NO_ACTIVATION)}


# Those without required arguments that fit kernels of every rank.
INITIALIZERS = (
    *("auto", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "ones"),
    *("orthogonal", "random_normal", "random_uniform", "truncated_normal", "variance_scaling", "zeros"),
)


@dataclass(frozen=True)
class Axes:
    """Keras' layers for one or two spatial axes."""

    convolution: type[keras.layers.Layer]
    depthwise: type[keras.layers.Layer]
    max_pooling: type[keras.layers.Layer]
    global_pooling: type[keras.layers.Layer]
    dropout: type[keras.layers.Layer]


_KINDS = ("Conv{}D", "DepthwiseConv{}D", "MaxPooling{}D", "GlobalAveragePooling{}D", "SpatialDropout{}D")
AXES = {n: Axes(*(getattr(keras.layers, kind.format(n)) for kind in _KINDS)) for n in (1, 2)}


class Knobs(TypedDict, total=False):
    """The fields of `Hidden`, for type checkers and editors: a builder takes `**knobs: Unpack[Knobs]`."""

    activation: Activation
    negative_slope: float | None
    kernel_initializer: Initializer
    regularizer: Regularizer
    bias_regularizer: Regularizer
    activity_regularizer: Regularizer
    max_norm: float | None
    dropout: float
    spatial_dropout: float
    noise: float
    normalization: str | None
    preprocessing: Layers
    augmentation: Layers


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """The shared knobs: each one's name, type, default and documentation. Every family's help repeats them from here.

    Attributes:
        activation: of hidden layers: a Keras name, "prelu", a function or a layer. A layer is copied for each use.
        negative_slope: of activation="leaky_relu"; None means Keras' default of 0.2.
        kernel_initializer: Keras name or object. "auto" fits the activation: He normal (K. He et al., ICCV 2015) for
            relu and its variants, LeCun normal for selu (G. Klambauer et al., 2017), Glorot uniform (2010) otherwise.
        regularizer: penalty on every kernel: "l1", "l2", "l1_l2" (elastic net) or a Keras object.
        bias_regularizer: penalty on every bias, likewise.
        activity_regularizer: penalty on the outputs of every hidden layer, likewise.
        max_norm: upper bound on the norm of each unit's weights (N. Srebro et al., 2004); None for no bound.
        dropout: fraction of each hidden layer's outputs dropped in training (N. Srivastava et al., JMLR 2014).
        spatial_dropout: fraction of whole channels dropped in training (J. Tompson et al., CVPR 2015).
        noise: standard deviation, 0 to 1, of Gaussian noise added to hidden outputs in training.
        normalization: None, "batch" (S. Ioffe and C. Szegedy, ICML 2015) or "layer" (J. Ba et al., 2016), before each
            activation.
        preprocessing: layers that come first and stay in the exported file.
        augmentation: layers that change the input in training only.
    """

    activation: Activation = "relu"
    negative_slope: float | None = None
    kernel_initializer: Initializer = "auto"
    regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = None
    max_norm: float | None = None
    dropout: float = 0.0
    spatial_dropout: float = 0.0
    noise: float = 0.0
    normalization: str | None = None
    preprocessing: Layers = ()
    augmentation: Layers = ()

    def __post_init__(self) -> None:
        check_activation("activation", self.activation)
        if self.negative_slope is not None:
            check_number("negative_slope", self.negative_slope, least=0)
            if self.activation != "leaky_relu":
                raise InvalidValue(
                    f"negative_slope={self.negative_slope} goes with activation='leaky_relu', not "
                    f"{self.activation!r}; leave it out"
                )
        if isinstance(self.kernel_initializer, str):
            check_choice("kernel_initializer", self.kernel_initializer, INITIALIZERS)
        elif not isinstance(self.kernel_initializer, keras.initializers.Initializer):
            raise InvalidType(
                f"kernel_initializer={self.kernel_initializer!r} must be 'auto', a name such as 'he_normal' or a "
                "keras.initializers.Initializer"
            )
        for name in ("regularizer", "bias_regularizer", "activity_regularizer"):
            object.__setattr__(self, name, check_regularizer(name, getattr(self, name)))
        norms = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
        if self.activity_regularizer is not None and not isinstance(self.activity_regularizer, norms):
            raise InvalidType(
                f"activity_regularizer={self.activity_regularizer!r} must be one of L1, L2 and L1L2: others are made "
                "for kernels"
            )
        if self.max_norm is not None:
            check_number("max_norm", self.max_norm, above=0)
        for name in ("dropout", "spatial_dropout"):
            check_rate(name, getattr(self, name))
        check_number("noise", self.noise, 0, 1)
        if self.normalization is not None:
            check_choice("normalization", self.normalization, NORMALIZATIONS)
        for name in ("preprocessing", "augmentation"):
            layers = getattr(self, name)
            if not isinstance(layers, Sequence) or not all(isinstance(layer, keras.layers.Layer) for layer in layers):
                raise InvalidType(f"{name}={layers!r} must be a tuple of Keras layers")

    @property
    def use_bias(self) -> bool:
        """Batch normalization has a bias of its own."""
        return self.normalization != "batch"

    def linear(self, kernel: str = "kernel", use_bias: bool | None = None) -> dict[str, Any]:
        """Arguments of a layer with weights: Dense, a convolution, or with kernel="depthwise" a depthwise one."""
        return {
            f"{kernel}_initializer": self.initializer(),
            f"{kernel}_regularizer": self.regularizer,
            f"{kernel}_constraint": self.constraint(unit_axes=2 if kernel == "depthwise" else 1),
            "bias_regularizer": self.bias_regularizer,
            "use_bias": self.use_bias if use_bias is None else use_bias,
        }

    def constraint(self, unit_axes: int = 1) -> keras.constraints.Constraint | None:
        return None if self.max_norm is None else UnitMaxNorm(self.max_norm, unit_axes)

    def initializer(self) -> keras.initializers.Initializer:
        """A new object for each layer: a shared one would give equal weights to layers of equal shape."""
        if isinstance(self.kernel_initializer, keras.initializers.Initializer):
            return self.kernel_initializer.clone()
        if self.kernel_initializer != "auto":
            return keras.initializers.get(self.kernel_initializer)
        activation = self.activation
        name = activation if isinstance(activation, str) else getattr(activation, "__name__", type(activation).__name__)
        name = name.lower()
        if name in RECTIFIERS or name.endswith("relu"):
            return keras.initializers.HeNormal()
        return keras.initializers.LecunNormal() if name == "selu" else keras.initializers.GlorotUniform()

    def after(
        self,
        x: keras.KerasTensor,
        *,
        normalize: bool = True,
        activate: bool = True,
        drop: bool = True,
        spatial: bool = True,
    ) -> keras.KerasTensor:
        """Adds normalization, activation, penalty, noise and dropout after a linear layer."""
        if normalize:
            x = self.normalized(x)
        if activate:
            x = self.activated(x)
        if self.activity_regularizer is not None:
            factors = {name: float(getattr(self.activity_regularizer, name, 0.0)) for name in ("l1", "l2")}
            x = keras.layers.ActivityRegularization(**factors)(x)
        if self.noise:
            x = keras.layers.GaussianNoise(self.noise)(x)
        if drop and spatial and self.spatial_dropout and len(x.shape) > 2:
            x = AXES[len(x.shape) - 2].dropout(self.spatial_dropout)(x)
        if drop and self.dropout:
            x = keras.layers.Dropout(self.dropout)(x)
        return x

    def normalized(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x if self.normalization is None else NORMALIZATIONS[self.normalization]()(x)

    def activated(self, x: keras.KerasTensor) -> keras.KerasTensor:
        # A new layer for each use, because layers such as PReLU have weights.
        if isinstance(self.activation, keras.layers.Layer):
            return self.activation.__class__.from_config({**self.activation.get_config(), "name": None})(x)
        if self.activation == "prelu":  # one slope per channel, shared by all positions
            return keras.layers.PReLU(shared_axes=list(range(1, len(x.shape) - 1)) or None)(x)
        if self.negative_slope is not None:
            return keras.layers.LeakyReLU(self.negative_slope)(x)
        return keras.layers.Activation(self.activation)(x)


@keras.saving.register_keras_serializable(package="zoo")
class UnitMaxNorm(keras.constraints.MaxNorm):
    """Keras' MaxNorm over all inputs of a unit, for kernels of every rank.

    Args:
        max_value: of the norm.
        unit_axes: how many axes, at the end of the kernel's shape, number the units: 2 of a depthwise convolution.
    """

    def __init__(self, max_value: float = 2.0, unit_axes: int = 1):
        super().__init__(max_value)
        self.unit_axes = unit_axes

    def __call__(self, w):
        self.axis = list(range(len(w.shape) - self.unit_axes))
        return super().__call__(w)

    def get_config(self):
        return {"max_value": self.max_value, "unit_axes": self.unit_axes}


def check_activation(argument: str, value: Activation) -> Activation:
    """A Keras name, "prelu", a function that Keras can save, or a layer such as `keras.layers.LeakyReLU(0.1)`."""
    if isinstance(value, str):
        check_choice(argument, value, ACTIVATIONS)
    elif not callable(value) or isinstance(value, type | np.ufunc):
        raise InvalidType(f"{argument}={value!r} must be a name such as 'relu', a function of Keras, or a Keras layer")
    elif getattr(value, "__name__", "") == "<lambda>":
        raise InvalidValue(
            f"{argument}={value!r} cannot be saved: a file runs no code. Use a name, a layer, or a function of "
            "your own with @keras.saving.register_keras_serializable()"
        )
    return value


def check_regularizer(argument: str, value: Regularizer) -> keras.regularizers.Regularizer | None:
    """None, a Keras name ("l1", "l2", "l1_l2") or object; `keras.regularizers.L1L2(l1, l2)` is the elastic net."""
    if value is None or isinstance(value, keras.regularizers.Regularizer):
        return value
    if not isinstance(value, str):
        raise InvalidType(f"{argument}={value!r} must be None, a name such as 'l2' or a keras.regularizers.Regularizer")
    check_choice(argument, value, REGULARIZERS)
    return REGULARIZERS[value]()


def entrance(
    input_shape: tuple[int | None, ...], hidden: Hidden, *, dtype: str | None = None, mask_value: float | None = None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input, and the input of the family's first layer: preprocessed, and augmented in training only.

    Args:
        mask_value: value of all features of a padded step; such steps are masked.
    """
    inputs = keras.Input(input_shape, dtype=dtype, name="input")
    x = inputs if mask_value is None else keras.layers.Masking(check_number("mask_value", mask_value))(inputs)
    return inputs, prepared(x, hidden)


def prepared(x: keras.KerasTensor, hidden: Hidden) -> keras.KerasTensor:
    for layer in hidden.preprocessing:
        x = layer(x)
    return Augmentation(hidden.augmentation, name="augmentation")(x) if hidden.augmentation else x


def spatial_axes(x: keras.KerasTensor) -> Axes:
    """The layers for the rank after preprocessing, which may turn sound into a spectrogram."""
    if len(x.shape) - 2 not in AXES:
        raise InvalidValue(
            f"preprocessing gives samples of shape {tuple(x.shape[1:])}; (height, width, channels) or (steps, "
            "channels) is needed"
        )
    return AXES[len(x.shape) - 2]


def with_logits(
    inputs: keras.KerasTensor,
    x: keras.KerasTensor,
    num_outputs: int,
    hidden: Hidden,
    name: str,
    last: Callable[..., keras.layers.Layer] | None = None,
):
    """The model with its linear layer `logits` (B, num_outputs); `last`, if given, is a layer applied to it."""
    logits = keras.layers.Dense(
        check_size("num_outputs", num_outputs),
        kernel_regularizer=hidden.regularizer,
        bias_regularizer=hidden.bias_regularizer,
        name="logits" if last is None else "logits_of_views",
    )(x)  # (B, num_outputs)
    if last is not None:
        logits = last(name="logits")(logits)
    return keras.Model(inputs, logits, name=name)
