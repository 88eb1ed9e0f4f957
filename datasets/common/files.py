"""Readers of the official single-file formats: gzipped idx, CIFAR binary, CIFAR pickle.

Every reader returns arrays or raises :class:`InputError` with one sentence that names the file. None trusts a length
or a label that the file states about itself, and the pickle reader builds nothing but arrays and plain containers.
"""

from __future__ import annotations

import gzip
import math
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import InputError

CIFAR_SHAPE = (3, 32, 32)
CIFAR_PIXELS = 3 * 32 * 32
CIFAR_RECORD = 1 + CIFAR_PIXELS
_IDX_UBYTE = 0x08


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The bytes of a gzipped idx file of unsigned bytes, which must hold an array of exactly ``shape``.

    Layout: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension as a big-endian
    32-bit integer, the values. At most the expected number of bytes is unpacked, so a hostile file cannot fill memory.
    """
    header = 4 + 4 * len(shape)
    expected = header + math.prod(shape)
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read(expected + 1)
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is truncated or not a gzip file ({error}); bring it again") from error
    if content[:4] != bytes([0, 0, _IDX_UBYTE, len(shape)]):
        raise InputError(f"{path} is not an idx file of {len(shape)}-dimensional unsigned bytes; bring it again")
    found = tuple(int(n) for n in np.frombuffer(content[4:header], dtype=">u4"))
    if found != shape:
        raise InputError(f"{path} holds an array of shape {found} instead of {shape}; bring it again")
    if len(content) != expected:
        problem = "is truncated" if len(content) < expected else "has bytes after its last value"
        raise InputError(f"{path} {problem}; bring it again")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def read_cifar_binary(path: Path, images: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """``(n, 32, 32, 3)`` images and ``(n,)`` labels 0..9 of a CIFAR-10 binary batch that must hold ``images`` records.

    A record is the label byte and 3,072 pixel bytes: the red, the green and the blue plane, row by row.
    """
    try:
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    if len(content) != images * CIFAR_RECORD:
        raise InputError(f"{path} has {len(content):,} bytes instead of {images * CIFAR_RECORD:,}; bring it again")
    records = content.reshape(images, CIFAR_RECORD)
    return planes_to_images(records[:, 1:]), check_labels(path, records[:, 0], classes=10)


def write_cifar_binary(path: Path, images: NDArray[np.uint8], labels: NDArray[np.integer[Any]]) -> None:
    """Writes ``(n, 32, 32, 3)`` images and their labels 0..255 as :func:`read_cifar_binary` reads them."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), CIFAR_PIXELS)
    path.write_bytes(np.concatenate([labels.reshape(-1, 1).astype(np.uint8), planes], axis=1).tobytes())


def planes_to_images(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of 3,072 channel-first values as contiguous images, ``(n, 32, 32, 3)``."""
    return np.ascontiguousarray(planes.reshape(-1, *CIFAR_SHAPE).transpose(0, 2, 3, 1))


def check_labels(path: Path, labels: Any, classes: int) -> NDArray[np.int64]:
    """``labels`` as ``int64`` of shape ``(n,)``, all within ``0..classes - 1``."""
    try:
        array = np.asarray(labels)
    except ValueError:  # a ragged list
        array = np.empty((0, 0))
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{path} does not hold a list of whole numbers as labels; bring it again")
    if len(array) and (array.min() < 0 or array.max() >= classes):
        raise InputError(f"{path} has a label outside 0..{classes - 1}; bring it again")
    return array.astype(np.int64)


class _ArraysOnly(pickle.Unpickler):
    """Refuses every global that is not one of the three NumPy needs to rebuild an array.

    The names are those of NumPy 1 (in the official files) and of NumPy 2; the function is taken from an array, since
    importing it by its old name warns.
    """

    _ALLOWED = {  # noqa: RUF012 - never changed
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no data") from None


def read_pickle(path: Path) -> dict[bytes, Any]:
    """The dictionary in a CIFAR python file: byte-string keys; arrays, lists, numbers and byte strings as values.

    The official files were written by Python 2; its strings arrive as ``bytes``. Nothing in the file is executed.
    """
    try:
        with path.open("rb") as stream:
            content = _ArraysOnly(stream, encoding="bytes").load()
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except Exception as error:  # garbage makes the unpickler raise nearly anything, MemoryError included
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is not a CIFAR python file ({reason}); bring it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a CIFAR python file (no dictionary in it); bring it again")
    return content
