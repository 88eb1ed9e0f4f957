"""What the author of a method, a data set or a space imports, and :func:`compare` for a script or a notebook.

A name is looked up when it is first used, so that ``python -m harness list`` starts without NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.core.home import CHECKOUT

if TYPE_CHECKING:  # the same names for type checkers, which cannot read the table below; a test compares the two
    from harness.api import compare as compare
    from harness.core.architecture import Architecture as Architecture
    from harness.core.architecture import Cell as Cell
    from harness.core.architecture import CellStack as CellStack
    from harness.core.architecture import Edge as Edge
    from harness.core.budget import Budget as Budget
    from harness.core.budget import BudgetSpent as BudgetSpent
    from harness.core.budget import Meter as Meter
    from harness.core.dataset import Dataset as Dataset
    from harness.core.dataset import DatasetSource as DatasetSource
    from harness.core.dataset import SearchData as SearchData
    from harness.core.errors import InputError as InputError
    from harness.core.errors import StorageError as StorageError
    from harness.core.evaluation import Ensemble as Ensemble
    from harness.core.evaluation import Evaluation as Evaluation
    from harness.core.evaluation import KerasConfig as KerasConfig
    from harness.core.evaluation import Proposal as Proposal
    from harness.core.graph import LayerGraph as LayerGraph
    from harness.core.graph import Layers as Layers
    from harness.core.journal import State as State
    from harness.core.method import Method as Method
    from harness.core.method import ask_tell as ask_tell
    from harness.core.method import needs_choices as needs_choices
    from harness.core.method import needs_images as needs_images
    from harness.core.method import needs_predictions as needs_predictions
    from harness.core.method import needs_shares as needs_shares
    from harness.core.method import space_is as space_is
    from harness.core.recipe import Recipe as Recipe
    from harness.core.seeds import derive_seed as derive_seed
    from harness.core.seeds import rng as rng
    from harness.core.space import Choice as Choice
    from harness.core.space import Genotype as Genotype
    from harness.core.space import Size as Size
    from harness.core.space import Space as Space
    from harness.core.table import Signal as Signal
    from harness.core.table import Table as Table
    from harness.core.task import Task as Task

if CHECKOUT is not None:
    __path__.append(str(CHECKOUT))  # a checkout keeps harness.methods and harness.datasets at its top

PUBLIC = {
    "harness.api": ("compare",),
    "harness.core.architecture": ("Architecture", "Cell", "CellStack", "Edge"),
    "harness.core.budget": ("Budget", "BudgetSpent", "Meter"),
    "harness.core.dataset": ("Dataset", "DatasetSource", "SearchData"),
    "harness.core.errors": ("InputError", "StorageError"),
    "harness.core.evaluation": ("Ensemble", "Evaluation", "KerasConfig", "Proposal"),
    "harness.core.graph": ("LayerGraph", "Layers"),
    "harness.core.journal": ("State",),
    "harness.core.method": (
        "Method",
        "ask_tell",
        "needs_choices",
        "needs_images",
        "needs_predictions",
        "needs_shares",
        "space_is",
    ),
    "harness.core.recipe": ("Recipe",),
    "harness.core.seeds": ("derive_seed", "rng"),
    "harness.core.space": ("Choice", "Genotype", "Size", "Space"),
    "harness.core.table": ("Signal", "Table"),
    "harness.core.task": ("Task",),
}
"""The public names, by the module that defines them."""
_MODULES = {name: module for module, names in PUBLIC.items() for name in names}

__all__ = sorted(_MODULES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
