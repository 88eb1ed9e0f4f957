"""Bringing files: sources tried one after the other, checksums, and a switch to the final names at the very end.

A source writes complete files into a staging directory beside the sets; :func:`bring` checks them and moves each into
place by an atomic rename. A killed fetch leaves nothing under a final name, and the next fetch removes what it staged.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import InputError

Say = Callable[[str], None]

_SOCKET_SECONDS = 10
_REPORT_SECONDS = 5.0
_TOOL_SECONDS = 900.0


class SourceError(Exception):
    """One source did not work; the message is a clause that says why."""


@dataclass(frozen=True)
class Source:
    """One way to get a set.

    Args:
        name: as told to the user.
        stage: ``stage(directory)`` writes the set's files into ``directory``; raises :class:`SourceError`.
    """

    name: str
    stage: Callable[[Path], None]


def md5_of(path: Path) -> str:
    """MD5 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def bring(
    target: Path, md5: Mapping[str, str], sources: Sequence[Source], say: Say, digest: Callable[[Path], str] = md5_of
) -> None:
    """Fills ``target`` with the files named in ``md5`` from the first source that delivers them intact.

    Args:
        target: the set's directory; its parent holds all sets.
        md5: per file name, the published MD5.
        sources: tried in order.
        say: told what is tried, what failed and what came of it.
        digest: computes what is compared with ``md5``; raises :class:`SourceError` on a file that is no such file.

    Raises:
        InputError: no source worked: the reasons, and where to put the files by hand.
    """
    reasons = []
    with staging_directory(target.parent, say) as staging:
        if not _problem(target, md5, digest):
            say(f"{target} is complete, its checksums are the published ones")
            return
        for number, source in enumerate(sources):
            say(f"trying {source.name}")
            directory = staging / str(number)
            directory.mkdir()
            try:
                source.stage(directory)
                if problem := _problem(directory, md5, digest):
                    raise SourceError(problem)
                target.mkdir(exist_ok=True)
                for name in md5:
                    os.replace(directory / name, target / name)
            except (SourceError, OSError) as error:
                reasons.append(f"{source.name}: {error}")
                say(f"{source.name} did not work: {error}")
            else:
                say(f"{len(md5)} files in {target}, checksums as published")
                return
    raise InputError(f"{target.name} could not be brought ({'; '.join(reasons)}); put {', '.join(md5)} into {target}")


def verify(directory: Path, md5: Mapping[str, str], bring_it: str, digest: Callable[[Path], str] = md5_of) -> None:
    """Compares the files of a set with their published checksums: another set may have the same format and size.

    Args:
        directory: the set's.
        md5: per file name, the published MD5.
        bring_it: the command that brings the set.
        digest: as for :func:`bring`.

    Raises:
        InputError: a file is another one.
    """
    if problem := _problem(directory, md5, digest):
        raise InputError(
            f"{directory}/{problem}, so it is damaged or of another set; bring it again with: {bring_it} "
            f"--data {directory.parent}"
        )


def _problem(directory: Path, md5: Mapping[str, str], digest: Callable[[Path], str]) -> str | None:
    """What is wrong with the files in ``directory``, beginning with the name of the file; or None."""
    for name, expected in md5.items():
        if not (directory / name).is_file():
            return f"{name} is not there"
        try:
            found = digest(directory / name)
        except SourceError as error:
            return str(error)
        if found != expected:
            return f"{name} has the MD5 {found} instead of the published {expected}"
    return None


def _say_at_once(line: str) -> None:
    print(line, flush=True)


@contextlib.contextmanager
def staging_directory(root: Path, say: Say = _say_at_once) -> Iterator[Path]:
    """A temporary directory on the file system of ``root``; only one process stages at a time, and ``say`` is told
    where another one has to be waited for.

    The lock goes with its process, so whatever an earlier, killed process left behind may be deleted here.
    """
    import fcntl

    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / ".fetch.lock").open("w")
    except OSError as error:
        raise InputError(
            f"{root} cannot be written ({error.strerror}); name another directory in HARNESS_DATA"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another fetch is at work in {root}; waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in root.glob(".fetch-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=root) as directory:
            yield Path(directory)


def run_tool(command: Sequence[str], directory: Path) -> None:
    """Runs ``command`` in ``directory``; :class:`SourceError` if it is not installed, fails or takes too long."""
    if shutil.which(command[0]) is None:
        raise SourceError(f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_TOOL_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise SourceError(f"{command[0]} took longer than {_TOOL_SECONDS:.0f} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise SourceError(lines[-1].strip()[:300] if lines else f"{command[0]} exited with {done.returncode}")


class _Told:
    """Progress of a download, a line every few seconds; has the attributes that Pooch asks of a progress bar."""

    def __init__(self, say: Say) -> None:
        self._say, self._done, self.total = say, 0, 0
        self._began = self._last = time.monotonic()

    def update(self, count: int) -> None:
        """So many bytes more."""
        self._done += count
        now = time.monotonic()
        if now - self._last > _REPORT_SECONDS and self.total:
            self._last = now
            left = (now - self._began) * (self.total - self._done) / max(self._done, 1)
            self._say(f"{self._done / 1e6:.0f} of {self.total / 1e6:.0f} MB, {left:.0f} s left")

    def reset(self) -> None:
        """Pooch sets the bar back when a download is over, to fill it at once."""
        self._done = 0

    def close(self) -> None:
        """Nothing is open."""


def download(address: str, md5: str, directory: Path, say: Say) -> Path:
    """Downloads a file and compares it with its published MD5; a connection silent for ten seconds is given up.

    Raises:
        SourceError: no connection, no such file, or another file.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")
    loader = pooch.HTTPDownloader(timeout=_SOCKET_SECONDS, progressbar=_Told(say))
    name = address.rpartition("/")[2]
    try:
        return Path(pooch.retrieve(address, f"md5:{md5}", fname=name, path=directory, downloader=loader))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise SourceError(" ".join(str(error).split())[:300]) from error


def download_members(address: str, md5: str, names: Mapping[str, str], directory: Path, say: Say) -> None:
    """Downloads a tar archive and writes the members named in ``names`` under their new names into ``directory``.

    Raises:
        SourceError: as :func:`download`, or a member is not there.
    """
    archive = download(address, md5, directory, say)
    try:
        with tarfile.open(archive) as opened:
            for member, name in names.items():
                stream = opened.extractfile(member)
                if stream is None:
                    raise SourceError(f"it has no file {member}")
                with stream, (directory / name).open("wb") as file:
                    shutil.copyfileobj(stream, file)
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise SourceError(f"the archive is damaged ({' '.join(str(error).split())})") from error


def keras_cache() -> Path:
    """The directory in which Keras keeps data sets that somebody has downloaded with it; test labels are among them."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "datasets"


def debian_package(package: str, directory: Path) -> Path:
    """Unpacks a Debian package below ``directory`` without installing it; returns what stands for ``/``."""
    run_tool(["apt-get", "download", package], directory)
    archives = list(directory.glob(f"{package}_*.deb"))
    if not archives:
        raise SourceError(f"apt-get brought no {package}")
    unpacked = directory / "debian"
    run_tool(["dpkg-deb", "-x", str(archives[0]), str(unpacked)], directory)
    return unpacked


def npm_package(spec: str, directory: Path) -> Path:
    """Downloads the archive of the npm package ``name@version`` without running anything from it; returns its path."""
    run_tool(["npm", "pack", "--ignore-scripts", "--cache", str(directory / "npm"), spec], directory)
    archives = list(directory.glob("*.tgz"))
    if not archives:
        raise SourceError(f"npm brought no {spec}")
    return archives[0]
