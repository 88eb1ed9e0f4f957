"""How a command joins a Ray cluster: it connects, asks the nodes what they are, and refuses those that do not fit.

Ray's own words: https://docs.ray.io/en/latest/ray-core/starting-ray.html
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.names import sentence
from harness.run.backends import machine, node
from harness.run.backends.base import Call

_START = 60.0  # seconds in which a cluster's nodes have to answer


def installed() -> Any:
    """The module ``ray``.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise InputError("the back end 'ray' needs Ray; install it with: pip install '.[ray]'") from error
    return ray


def connected(address: str) -> Any:
    """The module ``ray``, connected.

    Raises:
        InputError: it is not installed, or there is no cluster.
    """
    ray = installed()
    # Workers on this machine import the code that this process has.
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    environment = {} if address else {"env_vars": {"PYTHONPATH": paths}}
    words: dict[str, Any] = {"address": address} if address else {"num_cpus": machine.cores(), "address": "local"}
    try:
        ray.init(
            **words,
            include_dashboard=None if address else False,
            log_to_driver=False,
            configure_logging=True,
            logging_level=logging.ERROR,
            runtime_env=environment or None,
        )
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise InputError(
            f"there is no Ray cluster at '{address or 'this machine'}' ({sentence(error)}); start one with: ray start "
            "--head"
        ) from error
    return ray


def asked(ray: Any) -> list[node.Facts]:
    """What the nodes are.

    Args:
        ray: from :func:`connected`.

    Raises:
        InputError: one does not answer, or has other versions than this machine.
    """
    try:
        found: list[node.Facts] = ray.get(on_nodes(ray, node.facts), timeout=_START)
    except Exception as error:
        raise InputError(
            f"a node of the cluster cannot take part ({sentence(error)}); install this project there, in the "
            "environment that its ray runs in"
        ) from error
    check_versions(node.facts(), found)
    return found


def on_nodes(ray: Any, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """References to what a function returns on each node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    remote = ray.remote(num_cpus=0, max_calls=1)(function)
    names = [one["NodeID"] for one in ray.nodes() if one["Alive"]]
    return [remote.options(scheduling_strategy=On(name, soft=False)).remote(*arguments) for name in names]


def check_versions(mine: node.Facts, others: Sequence[node.Facts]) -> None:
    """Refuses nodes with other versions than the head's.

    Raises:
        InputError: one has, with its name and the version.
    """
    wanted = dict(mine.versions)
    for other in others:
        has = dict(other.versions)
        for name in dict.fromkeys((*wanted, *has)):
            if wanted.get(name) != has.get(name):
                raise InputError(
                    f"node {other.name} has {name} {has.get(name, 'not at all')}, this machine has "
                    f"{wanted.get(name, 'none')}; install the same on both"
                )


def cores_to_ask_for(wanted: int, nodes: Iterable[Mapping[str, Any]]) -> int:
    """Cores of a slot: those wanted, or all of the largest node. For more, Ray would wait for ever.

    Args:
        wanted: that a call would keep busy.
        nodes: as Ray describes them.
    """
    return min(wanted, max((int(one["Resources"].get("CPU", 0)) for one in nodes if one["Alive"]), default=wanted) or 1)


def cards_of(nodes: Iterable[Mapping[str, Any]]) -> tuple[int, ...]:
    """Graphics cards that Ray hands out, of each node that has some; ``nodes`` as Ray describes them."""
    each = (int(one["Resources"].get("GPU", 0)) for one in nodes if one["Alive"])
    return tuple(cards for cards in each if cards)


def spread(call: Call, nodes: Iterable[Mapping[str, Any]]) -> Call:
    """The call as one slot gets it: processes for which no node has the cores are on others, if the call allows that.

    Args:
        call: with all its processes on one machine.
        nodes: as Ray describes them.
    """
    cores = cores_to_ask_for(call.cores, nodes)
    if call.helps is None or cores >= call.cores:
        return call
    return replace(call, far=call.processes - max(1, cores // call.threads))
