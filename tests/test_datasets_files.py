"""The readers of single files: what is written in an official format comes back, anything else is one sentence."""

import gzip
import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from harness.datasets.common.files import (
    CIFAR_RECORD,
    check_labels,
    read_cifar_binary,
    read_idx,
    read_pickle,
    write_cifar_binary,
)
from harness.datasets.common.statistics import mean_and_std

from harness.core.errors import InputError

SHAPE = (5, 4, 3)


def idx_bytes(values: np.ndarray, type_code: int = 8) -> bytes:
    """The format by its definition."""
    dimensions = b"".join(n.to_bytes(4, "big") for n in values.shape)
    return bytes([0, 0, type_code, values.ndim]) + dimensions + values.tobytes()


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)


def fails(path: Path, *words: str) -> None:
    """``read_idx`` names the file and says each of ``words``."""
    with pytest.raises(InputError) as caught:
        read_idx(path, SHAPE)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_idx_comes_back(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "x-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(values)))
    np.testing.assert_array_equal(read_idx(path, SHAPE), values)


def test_idx_missing(tmp_path: Path) -> None:
    fails(tmp_path / "absent.gz", "missing")


def test_idx_cut_at_any_byte(tmp_path: Path, values: np.ndarray) -> None:
    whole = gzip.compress(idx_bytes(values))
    path = tmp_path / "cut.gz"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        fails(path)


def test_idx_flipped_bit(tmp_path: Path, values: np.ndarray) -> None:
    whole = bytearray(gzip.compress(idx_bytes(values), compresslevel=0))
    whole[-20] ^= 1
    path = tmp_path / "flipped.gz"
    path.write_bytes(whole)
    fails(path)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (lambda v: idx_bytes(v, type_code=0x0D), "not an idx file"),
        (lambda v: idx_bytes(v[0]), "not an idx file"),
        (lambda v: idx_bytes(v[:4]), "instead of"),
        (lambda v: idx_bytes(v)[:-1], "truncated"),
        (lambda v: idx_bytes(v) + b"\0", "after its last value"),
        (lambda v: b"", "not an idx file"),
    ],
)
def test_idx_wrong_content(tmp_path: Path, values: np.ndarray, content, word: str) -> None:
    path = tmp_path / "wrong.gz"
    path.write_bytes(gzip.compress(content(values)))
    fails(path, word)


def test_idx_not_gzipped(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "plain"
    path.write_bytes(idx_bytes(values))
    fails(path, "gzip")


def test_cifar_binary_layout(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    planes = generator.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    labels = [7, 0, 9, 3]
    path = tmp_path / "batch.bin"
    path.write_bytes(b"".join(bytes([y]) + x.tobytes() for x, y in zip(planes, labels, strict=True)))
    x, y = read_cifar_binary(path, 4)
    assert x[2, 5, 8].tolist() == planes[2, :, 5, 8].tolist()
    assert y.tolist() == labels
    assert x.flags.c_contiguous
    again = tmp_path / "again.bin"
    write_cifar_binary(again, x, y)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("length", [0, 1, CIFAR_RECORD - 1, CIFAR_RECORD, 2 * CIFAR_RECORD + 1])
def test_cifar_binary_wrong_length(tmp_path: Path, length: int) -> None:
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(bytes(length))
    with pytest.raises(InputError, match=r"data_batch_3\.bin has [\d,]+ bytes"):
        read_cifar_binary(path, 2)


def test_cifar_binary_wrong_label(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(bytes([10]) + bytes(CIFAR_RECORD - 1))
    with pytest.raises(InputError, match=r"data_batch_3\.bin has a label outside 0\.\.9"):
        read_cifar_binary(path, 1)


@pytest.mark.parametrize("labels", [None, "abc", [1.5], [[1], [2, 3]], [b"x"], [-1], [3], {"a": 1}])
def test_labels_refused(labels: object) -> None:
    with pytest.raises(InputError, match="some/file"):
        check_labels(Path("some/file"), labels, 3)


class Python2Pickler(pickle._Pickler):
    """Writes byte strings and NumPy's names as Python 2 and NumPy 1 did, which wrote the official files."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012 - as the base class has it

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes

    def save_global(self, value, name=None) -> None:
        if getattr(value, "__name__", "") == "_reconstruct":
            self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
            self.memoize(value)
        else:
            super().save_global(value, name)

    dispatch[type(np.zeros(0).__reduce__()[0])] = save_global


def python2_pickle(content: object) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(content)
    return stream.getvalue()


def test_pickle_of_python_2(tmp_path: Path) -> None:
    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "train"
    path.write_bytes(python2_pickle({b"data": data, b"fine_labels": [1, 2, 3], b"batch_label": b"one"}))
    assert b"numpy.core.multiarray" in path.read_bytes()
    content = read_pickle(path)
    np.testing.assert_array_equal(content[b"data"], data)
    assert content[b"fine_labels"] == [1, 2, 3]
    assert content[b"batch_label"] == b"one"


@pytest.mark.parametrize("protocol", [3, 4])
def test_pickle_of_today(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "train"
    path.write_bytes(pickle.dumps({b"data": np.arange(6, dtype=np.uint8).reshape(2, 3)}, protocol=protocol))
    assert read_pickle(path)[b"data"].tolist() == [[0, 1, 2], [3, 4, 5]]


class Hostile:
    """Its unpickling calls a function with an argument of the file's choice."""

    def __init__(self, function, argument: object) -> None:
        self.call = function, argument

    def __reduce__(self):
        return self.call[0], (self.call[1],)


@pytest.mark.parametrize("function", [os.mkdir, eval, open, getattr, __import__, np.load, np.fromfile])
def test_pickle_executes_nothing(tmp_path: Path, function) -> None:
    victim = tmp_path / "executed"
    argument = f"__import__('os').mkdir({str(victim)!r})" if function is eval else str(victim)
    path = tmp_path / "test"
    path.write_bytes(pickle.dumps({b"data": Hostile(function, argument)}, protocol=2))
    with pytest.raises(InputError, match="test is not a CIFAR python file"):
        read_pickle(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\x80\x02",
        np.random.default_rng(3).bytes(500),
        pickle.dumps([1, 2]),
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"(" * 5000,
    ],
    ids=["empty", "text", "header only", "random", "a list", "eval", "marks"],
)
def test_pickle_garbage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "meta"
    path.write_bytes(content)
    with pytest.raises(InputError, match="meta is not a CIFAR python file"):
        read_pickle(path)


def test_pickle_cut_at_any_byte(tmp_path: Path) -> None:
    whole = python2_pickle({b"data": np.arange(12, dtype=np.uint8), b"fine_labels": [1, 2]})
    path = tmp_path / "train"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="train"):
            read_pickle(path)


def test_statistics_are_exact() -> None:
    images = np.random.default_rng(2).integers(0, 256, (2500, 3, 5, 2), dtype=np.uint8)
    mean, std = mean_and_std(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, images.astype(np.float64).std(axis=(0, 1, 2)), rtol=1e-12)


def test_statistics_of_a_constant_can_be_divided_by() -> None:
    assert mean_and_std(np.full((2, 3, 3, 1), 7, dtype=np.uint8)) == ((7.0,), (1.0,))
