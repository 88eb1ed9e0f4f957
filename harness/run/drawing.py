"""A run as text: its architecture node by node, its curves as a row of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.architecture import Cell, CellStack, ConvChain, MacroStack, ResidualStages
from harness.core.errors import InputError
from harness.core.space import Size
from harness.spaces import get_space

_BLOCKS = "▁▂▃▄▅▆▇█"


def draw(proposal: str) -> list[str]:
    """The lines of a proposal's drawing: each node with the operations that lead into it.

    Args:
        proposal: a genotype's text. Of Keras models and of spaces that are not built in, the text itself is all.
    """
    space_name = proposal.partition(":")[0]
    try:
        space = get_space(space_name)
        architecture = space.decode(space.parse(proposal), Size(channels=16, layers=8))
    except InputError:
        return [proposal]
    match architecture:
        case CellStack(normal=normal, reduction=reduction):
            names = ("previous but one", "previous cell")
            return ["normal cell", *_cell(normal, names), "reduction cell", *_cell(reduction, names)]
        case ResidualStages(cell=cell):
            return ["cell", *_cell(cell, ("input",))]
        case MacroStack(graph=graph):
            return ["layers", *_cell(graph, ("stem",))]
        case ConvChain(graph=graph):
            return ["chain", *_cell(graph, ("image",))]


def sparkline(values: Sequence[float]) -> str:
    """Values as blocks between the smallest and the largest of them."""
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (high - low) / (len(_BLOCKS) - 1) or 1.0
    return "".join(_BLOCKS[round((value - low) / step)] for value in values)


def describe(facts: Mapping[str, Any]) -> list[str]:
    """The lines of ``show``: what :func:`harness.report.show.show` found out about a run."""
    record = facts["record"]
    lines = [
        f"{record['title']} on {record['dataset']}, seed {record['seed']}, profile {record['profile']}",
        f"  status            {record['status']}{': ' + record['reason'] if record['reason'] else ''}",
        f"  budget            {record['budget']}, space {record['space']}",
    ]
    for name, words in (("test_accuracy", "test accuracy"), ("parameters", "parameters"), ("macs", "MACs")):
        if record[name] is not None:
            value = f"{100 * record[name]:.2f} %" if name == "test_accuracy" else f"{record[name]:,}"
            lines.append(f"  {words:<17} {value}")
    for phase in ("search", "final"):
        counts = ", ".join(f"{name} {_number(value)}" for name, value in record[phase].items() if value is not None)
        if counts:
            lines.append(f"  {phase:<17} {counts}")
    if record["settings"]:
        lines.append(
            f"  settings          {', '.join(f'{name} {value}' for name, value in record['settings'].items())}"
        )
    if record["proposal"]:
        lines += ["", "found", *draw(record["proposal"])]
    incumbent = [value for _, value in facts["incumbent"] if value is not None]
    if incumbent:
        kind = "under shared weights" if facts["shared_weights"] else "after proxy training"
        lines += ["", f"incumbent's validation accuracy {kind}: {sparkline(incumbent)} {100 * incumbent[-1]:.2f} %"]
    for row in facts["evaluations"]["best"]:
        lines.append(f"  {row['rank']}. {100 * row['accuracy']:.2f} % {sparkline(row['curve'])} {row['genotype']}")
    return lines


def _number(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def _cell(cell: Cell, inputs: tuple[str, ...]) -> list[str]:
    names = [*inputs, *(str(node) for node in range(cell.inputs, cell.nodes))]
    lines = []
    for node in range(cell.inputs, cell.nodes):
        terms = [f"{edge.op}({names[edge.source]})" for edge in cell.into(node)]
        lines.append(f"  {names[node]:>3} = {' + '.join(terms) or 'zeros'}")
    if len(cell.output) > 1:
        lines.append(f"  out = concat({', '.join(names[node] for node in cell.output)})")
    return lines
