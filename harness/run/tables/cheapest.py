"""Looks whether a budget buys an evaluation of a table at all."""

from __future__ import annotations

from harness.core.budget import Budget
from harness.core.errors import InputError
from harness.core.table import Table


def check_affordable(table: Table, signal: str, budget: Budget, steps: int) -> None:
    """Looks for a row that the budget buys; any budget in evaluations does.

    The first row is mostly one, so that only a budget which is refused has all of them counted.

    Args:
        table: complete.
        signal: by name; says what was trained, where the budget is in multiply-accumulates.
        budget: of the searches.
        steps: gradient steps that a complete evaluation stands for.

    Raises:
        InputError: it buys none.
    """
    chosen, cheapest = table.signals[signal], float("inf")
    if budget.unit == "s":
        cheapest = min(float(one.seconds.min()) for one in chosen.each())
    elif budget.unit == "steps":
        cheapest = steps
    elif budget.unit == "macs" and chosen.trained is not None:
        for text in table.genotypes:
            cheapest = min(cheapest, chosen.trained.macs(table.space, table.space.parse(text)))
            if cheapest <= budget.amount:
                return
    else:
        return
    if cheapest > budget.amount:
        raise InputError(
            f"a budget of {budget} buys no evaluation: the cheapest row of '{table.name}' costs "
            f"{Budget(cheapest, budget.unit)}; give more with --budget"
        )
