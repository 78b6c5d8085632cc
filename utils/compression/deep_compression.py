"""Deep Compression, whole: prune, share, code, write a file, and read the same network back.

The chain of Han, Mao, Dally (ICLR 2016). The bytes are real: `CompressedModel.from_bytes(m.to_bytes())` needs
nothing but the bytes, and `breakdown` counts what was written.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from utils.compression.coding import (
    canonical_codes,
    huffman_decode,
    huffman_encode,
    huffman_lengths,
    pack_fixed,
    symbol_counts,
    unpack_fixed,
)
from utils.compression.pruning.masks import global_masks
from utils.compression.weight_sharing import Init, gap_encode, kmeans_1d

MAGIC = b"DCMP1"
PARTS = ("values", "gaps", "codebooks", "code tables", "biases", "headers")


@dataclass(frozen=True)
class SharedTensor:
    """A pruned tensor with shared values: for each stored entry a gap and an index into the codebook."""

    name: str
    shape: tuple[int, ...]
    codebook: np.ndarray  # (k,) float32; holds 0.0 where padding needs it
    index: np.ndarray     # (entries,) into the codebook
    gaps: np.ndarray      # (entries,)

    def dense(self) -> np.ndarray:
        """The tensor as float32: zeros, and each entry at previous + gap + 1. ValueError beyond the shape."""
        flat = np.zeros(math.prod(self.shape), np.float32)
        positions = np.cumsum(self.gaps.astype(np.int64) + 1) - 1
        if len(positions) and positions[-1] >= flat.size:
            raise ValueError(f"{self.name} must have its entries within {flat.size} positions, got {positions[-1]}")
        flat[positions] = self.codebook[self.index]
        return flat.reshape(self.shape)


@dataclass(frozen=True)
class RawTensor:
    """A tensor that stays float32: a bias, a norm's parameters. They are few, and each is used often."""

    name: str
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def dense(self) -> np.ndarray:
        """The values themselves."""
        return self.values


@dataclass(frozen=True)
class CompressedModel:
    """The tensors of a model after pruning and sharing, ready to be written.

    index_bits: the width of a gap. huffman: whether gaps and indices are Huffman coded or of fixed width.
    """

    tensors: tuple[SharedTensor | RawTensor, ...]
    index_bits: int
    huffman: bool = True

    def to_bytes(self) -> bytes:
        """The file: a header, then each tensor in turn."""
        return b"".join(chunk for _, chunk in _chunks(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> CompressedModel:
        """Read what `to_bytes` wrote. Raises ValueError when the bytes are cut off, longer, or something else."""
        try:
            return _read(data)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise ValueError(f"data must be a whole compressed model: {error}") from error

    def breakdown(self) -> dict[str, int]:
        """Bytes of the file by part; their sum is `len(to_bytes())`."""
        told = dict.fromkeys(PARTS, 0)
        for part, chunk in _chunks(self):
            told[part] += len(chunk)
        return told

    def state_dict(self) -> dict[str, Tensor]:
        """The decoded tensors by name."""
        return {t.name: torch.from_numpy(t.dense().copy()) for t in self.tensors}

    def load_into(self, model: nn.Module) -> nn.Module:
        """Put the decoded tensors into a model of the same architecture and return it.

        Raises ValueError when its tensors have other names or shapes, before anything is decoded.
        """
        wanted = {name: tuple(t.shape) for name, t in model.state_dict().items()}
        found = {t.name: tuple(t.shape) for t in self.tensors}
        if wanted != found:
            raise ValueError(f"model must have the tensors of the file, {found}, got {wanted}")
        model.load_state_dict(self.state_dict())
        return model


def deep_compress(model: nn.Module, sparsity: float, k: int, index_bits: int, *, init: Init = "linear",
                  huffman: bool = True) -> CompressedModel:
    """Prune the matrices and kernels to a global sparsity, then share k values in each of them.

    k counts codebook entries of a tensor, 2 to 256. Where a gap has to be bridged one of them is the padding's
    0.0. Biases stay float32. A model that was pruned and fine-tuned to this sparsity before loses nothing more
    in the first step. Raises ValueError for k, index_bits (1 to 16) or sparsity out of range, and for weights
    that are not finite; TypeError for a tensor that is not float32.
    """
    if not 2 <= k <= 256:
        raise ValueError(f"k must be between 2 and 256, got {k}")
    if not 1 <= index_bits <= 16:
        raise ValueError(f"index_bits must be between 1 and 16, got {index_bits}")
    state = {name: t.detach() for name, t in model.state_dict().items()}
    for name, t in state.items():
        if t.dtype != torch.float32:
            raise TypeError(f"{name} must be float32, got {t.dtype}")
        if not torch.isfinite(t).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    matrices = [name for name, t in state.items() if t.ndim >= 2]
    masks = dict(zip(matrices, global_masks([state[name] for name in matrices], sparsity)))
    tensors = [_share(name, (t * masks[name]).numpy(), k, index_bits, init) if name in masks
               else RawTensor(name, t.numpy().copy()) for name, t in state.items()]
    return CompressedModel(tuple(tensors), index_bits, huffman)


def _share(name: str, weights: np.ndarray, k: int, index_bits: int, init: Init) -> SharedTensor:
    entries = gap_encode(weights, index_bits)
    gaps = np.array([gap for gap, _ in entries], np.int64)
    values = np.array([value for _, value in entries], np.float32)
    padding = values == 0
    codebook, index = np.zeros(0, np.float32), np.zeros(len(values), np.int64)
    if not padding.all():
        codebook, index[~padding] = kmeans_1d(values[~padding], k - bool(padding.any()), init)
    if padding.any():
        codebook = np.append(codebook, np.float32(0))
        index[padding] = len(codebook) - 1
    return SharedTensor(name, weights.shape, codebook, index, gaps)


def value_bits(codebook_size: int) -> int:
    """Width of an index into a codebook at fixed length: ceil(log2 size), 0 for one entry or none."""
    return max(0, codebook_size - 1).bit_length()


# --- the file ---------------------------------------------------------------------------------


def _chunks(model: CompressedModel) -> Iterator[tuple[str, bytes]]:
    """(part, bytes) in the order of the file; integers are little-endian."""
    yield "headers", MAGIC + struct.pack("<BBH", model.index_bits, model.huffman, len(model.tensors))
    for tensor in model.tensors:
        name = tensor.name.encode()
        shared = isinstance(tensor, SharedTensor)
        ndim = len(tensor.shape)
        yield "headers", struct.pack(f"<BB{len(name)}sB{ndim}I", shared, len(name), name, ndim, *tensor.shape)
        if not shared:
            yield "biases", tensor.values.astype("<f4").tobytes()
            continue
        k = len(tensor.codebook)
        yield "headers", struct.pack("<HI", k, len(tensor.index))
        yield "codebooks", tensor.codebook.astype("<f4").tobytes()
        yield from _stream("values", tensor.index, value_bits(k), model.huffman)
        yield from _stream("gaps", tensor.gaps, model.index_bits, model.huffman)


def _stream(part: str, symbols: np.ndarray, width: int, huffman: bool) -> Iterator[tuple[str, bytes]]:
    """Integers of `width` bits as they are; or code lengths up to the largest integer, a byte each, and the codes."""
    if len(symbols) == 0:
        return
    if not huffman:
        yield part, pack_fixed(symbols, width)
        return
    lengths = huffman_lengths(symbol_counts(symbols))
    data, n_bits = huffman_encode(symbols, canonical_codes(lengths))
    used = max(lengths) + 1
    yield "code tables", struct.pack("<I", used) + bytes(lengths.get(s, 0) for s in range(used))
    yield "headers", struct.pack("<I", n_bits)
    yield part, data


class _Reader:
    """Takes one piece after another from bytes; struct.error when they end too soon."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, n: int) -> bytes:
        piece = self.data[self.at:self.at + n]
        if len(piece) < n:
            raise struct.error(f"{n} bytes are missing at {self.at}")
        self.at += n
        return piece

    def numbers(self, form: str) -> tuple:
        return struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))

    def floats(self, n: int) -> np.ndarray:
        return np.frombuffer(self.take(4 * n), "<f4").astype(np.float32)


def _read(data: bytes) -> CompressedModel:
    reader = _Reader(data)
    if reader.take(len(MAGIC)) != MAGIC:
        raise ValueError(f"data must begin with {MAGIC!r}, got {data[:len(MAGIC)]!r}")
    index_bits, huffman, count = reader.numbers("BBH")
    tensors = tuple(_read_tensor(reader, index_bits, bool(huffman)) for _ in range(count))
    if reader.left:
        raise ValueError(f"data must end after the last tensor, got {reader.left} bytes more")
    return CompressedModel(tensors, index_bits, bool(huffman))


def _read_tensor(reader: _Reader, index_bits: int, huffman: bool) -> SharedTensor | RawTensor:
    shared, name_length = reader.numbers("BB")
    name = reader.take(name_length).decode()
    (ndim,) = reader.numbers("B")
    shape = reader.numbers(f"{ndim}I")
    if not shared:
        return RawTensor(name, reader.floats(math.prod(shape)).reshape(shape))
    k, entries = reader.numbers("HI")
    if entries > 8 * reader.left:  # a gap takes a bit at least: without this a changed count could ask for gigabytes
        raise struct.error(f"{entries} entries do not fit into {reader.left} bytes")
    codebook = reader.floats(k)
    index = _read_stream(reader, entries, value_bits(k), huffman)
    gaps = _read_stream(reader, entries, index_bits, huffman)
    if np.any(index >= k):
        raise ValueError(f"data must index {k} shared values, got index {index.max()}")
    return SharedTensor(name, shape, codebook, index, gaps)


def _read_stream(reader: _Reader, n: int, width: int, huffman: bool) -> np.ndarray:
    if n == 0:
        return np.zeros(0, np.int64)
    if not huffman:
        return unpack_fixed(reader.take(-(-n * width // 8)), width, n)
    (used,) = reader.numbers("I")
    lengths = {symbol: length for symbol, length in enumerate(reader.take(used)) if length}
    (n_bits,) = reader.numbers("I")
    symbols = huffman_decode(reader.take(-(-n_bits // 8)), n_bits, canonical_codes(lengths))
    if len(symbols) != n:
        raise ValueError(f"data must hold {n} symbols here, got {len(symbols)}")
    return np.array(symbols, np.int64)
