"""What the author of a method, a data set or a space imports.

The names are looked up on first use, so that ``python -m harness list`` starts without NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.core.home import CHECKOUT

if TYPE_CHECKING:
    from harness.core.architecture import Architecture, Cell, CellStack, Edge
    from harness.core.budget import Budget
    from harness.core.dataset import Dataset, DatasetSource
    from harness.core.errors import InputError
    from harness.core.evaluation import Evaluation, KerasConfig
    from harness.core.method import Method, ask_tell
    from harness.core.space import Choice, Genotype, Size, Space
    from harness.core.task import Task

if CHECKOUT is not None:
    __path__.append(str(CHECKOUT))  # a checkout keeps harness.methods and harness.datasets at its top

_HOME = {
    "Architecture": "architecture",
    "Budget": "budget",
    "Cell": "architecture",
    "CellStack": "architecture",
    "Choice": "space",
    "Dataset": "dataset",
    "DatasetSource": "dataset",
    "Edge": "architecture",
    "Evaluation": "evaluation",
    "Genotype": "space",
    "InputError": "errors",
    "KerasConfig": "evaluation",
    "Method": "method",
    "Size": "space",
    "Space": "space",
    "Task": "task",
    "ask_tell": "method",
}

__all__ = [
    "Architecture",
    "Budget",
    "Cell",
    "CellStack",
    "Choice",
    "Dataset",
    "DatasetSource",
    "Edge",
    "Evaluation",
    "Genotype",
    "InputError",
    "KerasConfig",
    "Method",
    "Size",
    "Space",
    "Task",
    "ask_tell",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"harness.core.{_HOME[name]}"), name)
    raise AttributeError(f"module 'harness' has no attribute '{name}'")
