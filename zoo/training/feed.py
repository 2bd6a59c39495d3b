"""The data of a training in TensorFlow's memory, block by block, and the order of its samples."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from zoo.data.blocks import Array, Stored

Order = Callable[[int, int], np.ndarray]  # (epoch, n) -> permutation of n samples
Data = tuple[Array, np.ndarray]  # (x, y), n samples each
Block = tuple[tuple[tf.Tensor, ...], tf.Tensor]  # (x, y) or (x, y, weights), and the order of the samples in it
BLOCK_BYTES = 1 << 28  # of data on disk that are in memory at a time, and as much again while the next block is read
CHUNKS = 1024  # ranges of the file that a block is drawn from


def shuffled(seed: int) -> Order:
    """A permutation for each epoch. It depends on seed and epoch alone, so that a training can be resumed."""
    return lambda epoch, n: np.random.default_rng([seed, epoch]).permutation(n)


def shuffled_in_blocks(seed: int, block: int) -> Order:
    """The same for data on disk with `block` samples in memory at a time: reads chunks of neighbours.

    The chunks are put in random order, cut into blocks, and each block is shuffled. A block is drawn from `CHUNKS`
    chunks, so that data sorted on disk, by class say, are still well mixed: two samples of a batch come from one chunk
    with a probability of 1 / `CHUNKS`.
    """

    def order(epoch: int, n: int) -> np.ndarray:
        random = np.random.default_rng([seed, epoch])
        chunk = max(1, block // CHUNKS)
        indices = (random.permutation(-(-n // chunk))[:, None] * chunk + np.arange(chunk)).reshape(-1)
        indices = indices[indices < n]  # the last chunk may be smaller
        for first in range(0, n, block):
            random.shuffle(indices[first : first + block])
        return indices

    return order


def block_of(x: Array, batch: int) -> int:
    """Number of samples in memory at a time: all, or for larger data on disk the whole batches that fit a block."""
    if not isinstance(x, Stored) or x.nbytes <= BLOCK_BYTES:
        return len(x)
    return max(1, BLOCK_BYTES // (batch * x.sample_bytes)) * batch


def in_blocks(data: Sequence[Array], block: int) -> Callable[[np.ndarray], Iterable[Block]]:
    """A function from the order of all samples to blocks, each with the order of its own samples.

    A thread reads the next block while the caller computes on this one.
    """
    if block >= len(data[0]):
        whole = tuple(_tensor(v[:]) if isinstance(v, Stored) else tf.constant(v) for v in data)
        return lambda order: [(whole, tf.constant(order, "int64"))]

    def read(order: np.ndarray) -> Block:
        indices = np.sort(order)  # in the order of the file
        block = tuple(_tensor(v[indices]) if isinstance(v, Stored) else tf.constant(v[indices]) for v in data)
        return block, tf.constant(np.searchsorted(indices, order), "int64")

    def blocks(order: np.ndarray) -> Iterator[Block]:
        with ThreadPoolExecutor(1) as reader:
            following = reader.submit(read, order[:block])
            for first in range(block, len(order) + block, block):
                current = following.result()
                if first < len(order):
                    following = reader.submit(read, order[first : first + block])
                yield current

    return blocks


def _tensor(values: np.ndarray) -> tf.Tensor:
    """The same memory as a tensor. Nothing else writes to it; `tf.constant` would copy it twice."""
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())
