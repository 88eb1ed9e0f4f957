"""The published networks beside their papers' numbers: counted, compared, told as rows or as a page of markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.lowering import lower
from harness.core.measure import Sizes, measure
from harness.core.space import Size
from harness.spaces.zoo import MISSING, PUBLISHED, ZooNetwork
from harness.spaces.zoo.find import architecture, find

IMAGE, CLASSES = (32, 32, 3), 10
"""What the papers count on: CIFAR-10."""
COMMAND = "python -m harness inspect --published all --markdown"
ALL = "all"


@dataclass(frozen=True)
class Counted:
    """A published network of some size, and how large it is.

    Args:
        entry: what is known about it.
        size: its own size, in its own terms.
        sizes: counted from its graph.
    """

    entry: ZooNetwork
    size: Size
    sizes: Sizes

    @property
    def parameters(self) -> int:
        """Weights, counted as the published count was."""
        return self.entry.count(self.sizes)

    @property
    def agrees(self) -> bool | None:
        """Whether that is the printed number of millions, to the digits printed; None if none is printed."""
        millions = self.entry.millions
        return None if millions is None else round(self.parameters / 1e6, 1) == millions


def counted(
    name: str,
    channels: int | None = None,
    layers: int | None = None,
    image: tuple[int, int, int] = IMAGE,
    classes: int = CLASSES,
) -> Counted:
    """A published network, counted without building it; arguments and errors as of :func:`architecture`."""
    network, size = architecture(name, channels, layers)
    return Counted(find(name), size, measure(lower(network), image, classes))


def row(found: Counted) -> dict[str, Any]:
    """A network for programs."""
    entry = found.entry
    published = None if entry.millions is None else round(1e6 * entry.millions)
    return {
        "name": entry.name,
        "title": entry.title,
        "parameters": found.parameters,
        "macs": found.sizes.macs,
        "published_parameters": published,
        "agrees": found.agrees,
        "trainable": found.sizes.parameters,
        "published_error": entry.error,
        "channels": found.size.channels,
        "layers": found.size.layers,
        "paper": entry.paper,
        "sources": list(entry.sources),
        "open": entry.open,
    }


def rows() -> list[dict[str, Any]]:
    """All networks for programs; those that cannot be built have None for numbers and say why in ``open``."""
    unknown: list[dict[str, Any]] = [
        {
            **dict.fromkeys(row(counted(next(iter(PUBLISHED))))),
            "name": entry.name,
            "title": entry.title,
            "published_parameters": None if entry.millions is None else round(1e6 * entry.millions),
            "published_error": entry.error,
            "paper": entry.paper,
            "sources": [],
            "open": f"definition never published: {entry.why}",
        }
        for entry in MISSING
    ]
    return [row(counted(name)) for name in PUBLISHED] + unknown


def short(line: dict[str, Any]) -> dict[str, Any]:
    """A row of :func:`rows` for people."""
    return {
        "name": line["name"],
        "parameters": "" if line["parameters"] is None else f"{line['parameters']:,}",
        "MACs": "" if line["macs"] is None else f"{line['macs']:,}",
        "published": _millions(line["published_parameters"] and line["published_parameters"] / 1e6),
        "agrees": line["agrees"],
        "what is open": line["open"],
    }


def printed(entry: ZooNetwork) -> str:
    """The count that the paper prints, for people."""
    return _millions(entry.millions) or "none"


def markdown() -> str:
    """The page ``results/tables/published_architectures.md``."""
    found, notes = [counted(name) for name in PUBLISHED], _Notes()
    header = [
        "network",
        "row of Table B",
        "parameters",
        "published",
        "difference",
        "MACs",
        "error %, published",
        "note",
    ]
    lines = [_line(header), _line(["---", "---", *["---:"] * 5, "---"])]
    lines += [_line(_cells(one, notes.number(one.entry.title, one.entry.open))) for one in found]
    for entry in MISSING:
        name, printed, error = f"`{entry.name}`", _millions(entry.millions), _error(entry.error)
        note = notes.number(entry.title, entry.why)
        lines.append(_line([name, entry.row, "definition never published", printed, "", "", error, note]))
    agree = sum(one.agrees is True for one in found)
    compared = sum(one.agrees is not None for one in found)
    parts = [
        *(*_ABOUT, "", f"{agree} of {compared} printed counts are met to the last printed digit.", ""),
        *(*lines, "", "## What the sources leave open", "", *notes.lines()),
        *("", "## Sources", "", *(_sources(one.entry) for one in found)),
    ]
    return "\n".join(parts) + "\n"


class _Notes:
    """Numbered remarks; the same remark about two networks has one number."""

    def __init__(self) -> None:
        self._titles: dict[str, list[str]] = {}

    def number(self, title: str, remark: str) -> str:
        """The number of a remark, or nothing if there is none."""
        if not remark:
            return ""
        self._titles.setdefault(remark, []).append(title)
        return str(list(self._titles).index(remark) + 1)

    def lines(self) -> list[str]:
        """A numbered list."""
        noted = enumerate(self._titles.items(), start=1)
        return [f"{number}. **{'; '.join(titles)}.** {remark}" for number, (remark, titles) in noted]


_ABOUT = (
    "# Published architectures, rebuilt",
    "",
    f"Generated by `{COMMAND}`. CIFAR-10, 32x32x3, ten classes, auxiliary heads left out. *Parameters* are those of "
    "the network that this project builds, counted as the paper counted: Hierarchical NAS with the moving averages of "
    "its normalisations, ENAS macro with reductions that nothing reads, all others trainable weights only. *MACs* are "
    "multiply-accumulates of convolutions and classifier. Errors are those of Table B where the network has a row "
    "there, else of the papers or of their authors' code: nothing here was trained.",
)


def _cells(one: Counted, note: str) -> list[str]:
    entry = one.entry
    difference = ""
    if entry.millions is not None:
        difference = "none" if one.agrees else f"{one.parameters / entry.millions / 1e4 - 100:+.1f} %"
    return [
        f"`{entry.name}`",
        entry.row,
        f"{one.parameters:,}",
        _millions(entry.millions),
        difference,
        f"{one.sizes.macs / 1e6:,.0f}M",
        _error(entry.error),
        note,
    ]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _millions(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}M"


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _sources(entry: ZooNetwork) -> str:
    return f"- `{entry.name}`: {entry.paper}. Read from {'; '.join(entry.sources)}."
