"""The file of a table: ``FILE.csv`` with a row per architecture, and ``FILE.toml``, which describes and dates it.

Both are replaced at once, the CSV whenever a training has ended, so that a kill at any moment loses the trainings under
way and nothing else. A cell that nobody has computed yet is empty.
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.files import replace_text
from harness.core.room import is_full
from harness.core.space import Genotype
from harness.run.profiles import Profile

FAILURE, TEST = "failure", "test"
_FACTS = ("genotype", "genotypes", "parameters", "macs")
_PER_SEED = (TEST, "steps", "signal_seconds", "score_seconds", "images_per_second", FAILURE)
_HEAD = "# Written by `python -m harness tabulate`; the same command continues it. docs/tables.md explains it.\n"


def points(profile: Profile, space: str) -> tuple[int, ...]:
    """Gradient steps after which the signal's training is validated; the last is its end."""
    recipe = profile.proxy_for(space)
    return tuple(-(-recipe.steps * number // recipe.validations) for number in range(1, recipe.validations + 1))


def column(name: str, seed: int) -> str:
    """Name of a column that there is for each seed."""
    return f"{name}_s{seed}"


class Sheet:
    """The rows of a table, in the order of its architectures.

    Args:
        path: of the CSV file; it is read if it is there.
        made: what the table is of, as plain values: all that its numbers depend on.
        validated: see :func:`points`.
        seeds: columns there are at least.
        genotypes: all that belong into the table, in their order.

    Raises:
        InputError: the file is damaged, or of something else.
    """

    def __init__(
        self,
        path: Path,
        made: Mapping[str, Any],
        validated: Sequence[int],
        seeds: Sequence[int],
        genotypes: Sequence[Genotype],
    ) -> None:
        self.path, self._made, self.points = path, dict(made), tuple(validated)
        self._order = [genotype.text for genotype in genotypes]
        self._rows: dict[str, dict[str, str]] = {}
        self._seeds = set(seeds)
        self._by: list[dict[str, str]] = []
        if path.exists() or path.with_suffix(".toml").exists():
            self.take(path)

    def take(self, path: Path) -> None:
        """Takes over the results of another table of the same architectures.

        Raises:
            InputError: it is missing, damaged, or of something else.
        """
        described = _described(path)
        theirs = described["made"]
        cure = "name another file with --out" if path == self.path else "leave it out of --merge"
        for name, value in self._made.items():
            if theirs.get(name) != value:
                told = f"{theirs.get(name)} there, {value} here" if isinstance(value, str | int) else "changed"
                raise InputError(f"{path} was made with another {name} ({told}); {cure}")
        self._by += [one for one in described["by"] if one not in self._by]
        known = set(self._order)
        columns = {*_FACTS, *(name for seed in described["seeds"] for name in self._own(seed))}
        for row in _rows(path):
            if other := [name for name in row if name not in columns]:
                raise InputError(f"{path} has the column '{other[0]}', which tabulate does not write; take it out")
            if row.get("genotype") not in known:
                raise InputError(f"{path} has a row of '{row.get('genotype')}', which this table is not to have")
            self._take_row(row, described["seeds"])
        self._seeds |= set(described["seeds"])

    def _take_row(self, row: Mapping[str, str], seeds: Sequence[int]) -> None:
        """Takes over the facts that are missing, and of each seed the whole training: one that is done before one that
        has failed."""
        text = row["genotype"]
        mine = self._rows.setdefault(text, {})
        mine.update({name: row[name] for name in _FACTS if row.get(name) and not mine.get(name)})
        for seed in seeds:
            done = bool(row.get(column(TEST, seed)))
            state = self.state(text, seed)
            if state == "open" or (state == "failed" and done):
                self.forget(text, seed)
                mine.update({name: row[name] for name in self._own(seed) if row.get(name)})

    @property
    def seeds(self) -> frozenset[int]:
        """Those that there are columns of."""
        return frozenset(self._seeds)

    def whole(self) -> int:
        """Architectures whose trainings are done with every seed."""
        return sum(all(self.state(text, seed) == "done" for seed in self._seeds) for text in self._rows)

    def made_by(self, facts: Mapping[str, str]) -> None:
        """Notes by which code and on which machine rows are computed from now on."""
        if dict(facts) not in self._by:
            self._by.append(dict(facts))

    def state(self, genotype: str, seed: int) -> str:
        """``done``, ``failed`` or ``open``."""
        row = self._rows.get(genotype, {})
        if row.get(column(TEST, seed)):
            return "done"
        return "failed" if row.get(column(FAILURE, seed)) else "open"

    def forget(self, genotype: str, seed: int) -> None:
        """Empties the cells of a failed training."""
        for name in self._own(seed):
            self._rows[genotype].pop(name, None)

    def add(self, genotype: str, facts: Mapping[str, Any], seed: int, values: Mapping[str, Any]) -> None:
        """Fills in the cells of a training that has ended.

        Args:
            genotype: whose.
            facts: that do not depend on the seed: ``genotypes``, ``parameters``, ``macs``.
            seed: with which.
            values: by the name of the column without the seed.
        """
        row = self._rows.setdefault(genotype, {"genotype": genotype})
        row.update({name: _cell(value) for name, value in facts.items()})
        row.update({column(name, seed): _cell(value) for name, value in values.items()})

    def write(self) -> None:
        """Replaces the CSV file.

        Raises:
            InputError: it cannot be written.
        """
        names = [*_FACTS, *(name for seed in sorted(self._seeds) for name in self._own(seed))]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows[genotype] for genotype in self._order if genotype in self._rows)
        _replace(self.path, text.getvalue())

    def describe(self, trained: Mapping[str, Any], space: str) -> None:
        """Replaces the description.

        Seconds of unlike processors are no price: a table that several kinds have made does not mention them, and an
        evaluation on it costs one unit.

        Args:
            trained: what the networks behind the signal were and saw, for counting multiply-accumulates.
            space: of the genotypes.

        Raises:
            InputError: it cannot be written.
        """
        seeds = sorted(self._seeds)
        entries: dict[str, Any] = {
            "genotype": "genotype",
            "space": space,
            "functions": True,
            "signal": [column(f"valid_{self.points[-1]}", seed) for seed in seeds],
            "score": [column(TEST, seed) for seed in seeds],
            **({"seconds": [column("signal_seconds", seed) for seed in seeds]} if self._one_processor else {}),
            "parameters": "parameters",
            "architectures": len(self._order),
        }
        parts = [_HEAD, _toml(entries), "\n[trained]\n", _toml(trained)]
        parts += ["\n[made]\n", _toml({**self._made, "seeds": seeds, "points": list(self.points)})]
        parts += [f"\n[[made.by]]\n{_toml(facts)}" for facts in self._by]
        _replace(self.path.with_suffix(".toml"), "".join(parts))

    @property
    def _one_processor(self) -> bool:
        return len({facts.get("cpu") for facts in self._by}) <= 1

    def _own(self, seed: int) -> list[str]:
        return [column(name, seed) for name in (*(f"valid_{point}" for point in self.points), *_PER_SEED)]


def facts_of(profile: Profile, space: str) -> dict[str, Any]:
    """What of a profile a table's numbers depend on, as plain values."""
    recipes = {"proxy": profile.proxy_for(space), "final": profile.final_for(space)}
    return {
        "profile": profile.name,
        **{name: json.dumps(recipe.values(), sort_keys=True) for name, recipe in recipes.items()},
        "validation_share": profile.validation_share,
    }


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _toml(entries: Mapping[str, Any]) -> str:
    """Lines ``name = value``; JSON's texts, numbers, lists and truth values are TOML's, but for three kinds of letters.

    TOML takes no halves of letters, which JSON makes of those beyond the basic plane and Python of bytes of a path that
    are no UTF-8, and no delete character.
    """
    text = "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in entries.items())
    return text.replace("\x7f", "\\u007f").encode("utf-8", "replace").decode("utf-8")


def _replace(path: Path, text: str) -> None:
    try:
        replace_text(path, text)
    except OSError as error:
        if is_full(error):
            raise
        raise InputError(f"{path} cannot be written ({error.strerror}); name another file with --out") from error


def _described(path: Path) -> dict[str, Any]:
    """What a table says of its making: ``made`` (plain values), ``seeds`` and ``by`` (code and machines)."""
    toml = path.with_suffix(".toml")
    try:
        made = tomllib.loads(toml.read_text(encoding="utf-8"))["made"]
        by = [dict(by) for by in made.get("by", [])]  # there is none before anything was trained
        return {"made": made, "seeds": [int(seed) for seed in made["seeds"]], "by": by}
    except OSError as error:
        raise InputError(f"{toml} cannot be read ({error.strerror}); it belongs to {path.name}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{toml} was not written by tabulate, or is damaged; move it away to begin anew") from error


def _rows(path: Path) -> Iterable[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); move it away to begin anew") from error
    if any(None in row or None in row.values() for row in rows):
        raise InputError(f"{path} is damaged (a row has too few or too many cells); move it away to begin anew")
    return rows
