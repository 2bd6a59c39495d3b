"""Preprocessing of sound: a log-mel spectrogram, computed inside the exported file.

The Fourier transform is a convolution, which every runtime has; `keras.layers.MelSpectrogram` needs operations of
TensorFlow. Only frequencies that a mel bin uses are computed. Bins sum magnitudes, not powers, because powers need more
than 8 bits: with powers half of the outputs of an int8 file were wrong in a test with tones, with magnitudes none.
The magnitude is approximated by .96 of the larger part plus .4 of the smaller one, with an error of at most 4 %.

Source: S. Davis and P. Mermelstein, Comparison of parametric representations for monosyllabic word recognition, IEEE
Trans. ASSP 1980; the mel scale as in HTK, 2595 log10(1 + f / 700); 30 ms windows, 20 ms apart, as in C. Banbury et al.,
MLPerf Tiny, 2021; the magnitude as in R. Lyons, Understanding digital signal processing, 1997.
"""

import keras
import numpy as np
from keras import ops

from zoo.base.checks import check_number, check_size
from zoo.base.errors import InvalidValue
from zoo.models.saving import saved

QUIET = 3e-3  # added before the logarithm, relative to a full-scale sine: -50 dB is silence


@saved
class LogMel(keras.layers.Layer):
    """(B, samples, 1) of sound between -1 and 1 -> (B, frames, num_mel_bins, 1): the preprocessing of sound.

    Args:
        sampling_rate: samples a second.
        num_mel_bins: triangular filters, evenly spaced on the mel scale from `min_freq` to `max_freq` (Hz; by
            default half the sampling rate).
        window_ms, hop_ms: length of a frame (Hann window) and distance between frames, in milliseconds.

    Raises ValueError: a sound shorter than a frame, more bins than frequencies, or a bad number.
    """

    def __init__(
        self,
        sampling_rate: int = 16_000,
        num_mel_bins: int = 40,
        *,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        window_ms: float = 30.0,
        hop_ms: float = 20.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sampling_rate = check_size("sampling_rate", sampling_rate)
        self.num_mel_bins = check_size("num_mel_bins", num_mel_bins)
        half = sampling_rate / 2
        self.max_freq = check_number("max_freq", half if max_freq is None else max_freq, 1, half)
        self.min_freq = check_number("min_freq", min_freq, 0, self.max_freq)
        self.window_ms = check_number("window_ms", window_ms, 1, 1000)
        self.hop_ms = check_number("hop_ms", hop_ms, 1, 1000)
        self.frame, self.hop = round(sampling_rate * window_ms / 1000), round(sampling_rate * hop_ms / 1000)
        mel, self._cosine, self._sine = self._matrices()
        empty = np.flatnonzero(mel.sum(axis=0) == 0)
        if empty.size:
            raise InvalidValue(
                f"num_mel_bins={num_mel_bins}: bin {empty[0]} lies between two frequencies of a window of "
                f"{window_ms} ms, which are {1000 / window_ms:.0f} Hz apart; use fewer bins or longer windows"
            )
        self._mel = mel

    def _matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mel filters (bins, mels), and the real and imaginary part of the transform (frame, 1, bins)."""

        def mel_of(hertz):
            return 2595 * np.log10(1 + np.asarray(hertz) / 700)

        edges = np.linspace(mel_of(self.min_freq), mel_of(self.max_freq), self.num_mel_bins + 2)
        frequencies = np.arange(1, self.frame // 2 + 1) * self.sampling_rate / self.frame  # without the mean
        position = mel_of(frequencies)[:, None]
        rising = (position - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - position) / (edges[2:] - edges[1:-1])
        mel = np.maximum(0, np.minimum(rising, falling))
        used = mel.any(axis=1)
        time = np.arange(self.frame)[:, None]
        window = 0.5 - 0.5 * np.cos(2 * np.pi * time / self.frame)
        angle = 2 * np.pi * time * frequencies[used] / self.sampling_rate
        scale = window / window.sum() * 2  # a sine of amplitude 1 has magnitude 1 in its bin
        real, imaginary = (scale * np.cos(angle))[:, None], (scale * np.sin(angle))[:, None]
        return mel[used].astype("float32"), real.astype("float32"), imaginary.astype("float32")

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] != 1 or input_shape[1] is None:
            raise InvalidValue(f"LogMel reads sounds of a fixed length, (samples, 1), not {tuple(input_shape[1:])}")
        if input_shape[1] < self.frame:
            raise InvalidValue(
                f"a sound of {input_shape[1]} samples is shorter than a window of {self.window_ms} ms at "
                f"{self.sampling_rate} Hz, {self.frame} samples"
            )
        self.built = True

    def call(self, x):
        x = ops.cast(x, "float32")
        real, imaginary = (ops.conv(x, kernel, strides=self.hop) for kernel in (self._cosine, self._sine))
        larger, smaller = (of(ops.abs(real), ops.abs(imaginary)) for of in (ops.maximum, ops.minimum))
        magnitude = 0.96 * larger + 0.4 * smaller  # (B, frames, bins)
        return ops.log(ops.matmul(magnitude, self._mel) + QUIET)[..., None]

    def compute_output_shape(self, input_shape):
        return input_shape[0], 1 + (input_shape[1] - self.frame) // self.hop, self.num_mel_bins, 1
