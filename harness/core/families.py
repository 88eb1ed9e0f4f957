"""The thirteen families of search methods, by which surveys of the field are ordered.

A method states its own as a plain tuple in its class body, ``families = ("evolutionary",)``; it may belong to several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "reinforcement learning": "a policy or a table of values proposes architectures and learns from their accuracy",
        "differentiable": "all candidates are mixed in one network, and the mixing weights are trained as weights are",
        "random": "architectures are drawn from the space, independently of what was seen",
        "evolutionary": "good architectures are kept and changed a little",
        "gradient-based": "an architecture is described by real numbers, which follow a gradient of expected accuracy",
        "Bayesian": "a probabilistic model of accuracy says which architecture to train next",
        "ensemble": "the result is several networks whose predictions are averaged",
        "progressive": "architectures grow from simple to complex, and a predictor sorts the larger ones",
        "morphism": "a trained network is widened, deepened or linked without a change of its function",
        "hierarchical": "architectures are graphs of motifs, which are graphs themselves",
        "neural evolution strategies": "parameters of a distribution over architectures follow an estimated gradient",
        "meta-learning and transfer": "a search starts from what was learnt on other data sets",
        "one-shot": "one network with shared weights stands for all architectures, which are not trained one by one",
    }
)
"""What each family is, in the order of the survey."""


@dataclass(frozen=True)
class Member:
    """A method as its file states it.

    Args:
        name, title: as on the command line, and as printed.
        families: that it belongs to.
    """

    name: str
    title: str
    families: tuple[str, ...]
