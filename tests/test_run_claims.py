"""Claims: of two commands in one directory, one works on a run, and the other may work on any other run."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from claimed import elsewhere

from harness.core.errors import InputError
from harness.run.claims import FILE, Claims


def test_a_run_is_claimed_by_one_command_until_it_lets_go(tmp_path: Path) -> None:
    run, other = tmp_path / "a" / "0", tmp_path / "a" / "1"
    with contextlib.closing(Claims(tmp_path)) as claims:
        assert claims.take(run)
        assert claims.take(run), "it may ask again"
        with elsewhere(tmp_path, run) as theirs:
            assert not theirs
        with elsewhere(tmp_path, other) as theirs:
            assert theirs
            assert not claims.take(other)
            claims.leave(other)
            assert not claims.take(other), "what was never ours cannot be given away"
        assert claims.take(other), "a command that has ended has no claims"
        claims.leave(run)
        with elsewhere(tmp_path, run) as theirs:
            assert theirs
    with elsewhere(tmp_path, other) as theirs:
        assert theirs


def test_a_directory_without_locks_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(InputError, match="--out"):
        Claims(tmp_path)
