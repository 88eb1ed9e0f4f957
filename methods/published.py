"""Any published network, trained as it is; see `inspect --published all` for NAME. Not in `all`.

Nothing is searched: the network of a paper stands in the table with those that were found here, under the same final
training. Under a profile that trains smaller networks it is built smaller in proportion, which the record states.

Reference: each network's own paper, in ``harness/spaces/published``. Deviations: the training is this project's; drop
path and the auxiliary head are put where the final recipe has them, and dropout in front of a found cell's classifier
is left out. Expected: the published errors are those of other trainings, up to 1800 epochs. Cost: no search.
"""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass

from harness.core.method import Method, space_is
from harness.core.task import Task
from harness.spaces.zoo import PUBLISHED
from harness.spaces.zoo.space import PublishedSpace


@dataclass(frozen=True)
class PublishedNetwork(Method):
    """Proposes one network and stops; the budget stays untouched."""

    name = "published"
    title = "Published network"
    space = "published"

    network: str = ""

    @classmethod
    def of(cls, network: str) -> type[PublishedNetwork]:
        """The method of one network, called ``published/NETWORK`` and titled like it."""
        names = {"name": f"{cls.name}/{network}", "title": PUBLISHED[network].title}
        field = ("network", str, network)
        return make_dataclass("PublishedNetwork", [field], bases=(cls,), namespace=names, frozen=True)

    def unsupported(self, task: Task) -> str | None:
        """A published network is its own space."""
        return space_is(task, PublishedSpace)

    def search(self, task: Task) -> None:
        """Proposes the network."""
        task.propose(task.space.parse(f"{task.space.name}:{self.network}"))


METHOD = PublishedNetwork
