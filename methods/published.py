"""Any published network, trained as it is; see `inspect --published all` for NAME. Not in `all`.

There is no search: the network of a paper gets the same final training as the results of the searches, and is in the
same table. Under a profile with smaller networks it is built smaller in proportion, and the record says so.

Reference: each network's own paper, in ``harness/spaces/zoo``. Deviations: the training is this project's; drop path
and the auxiliary head are those of the final recipe, and the dropout in front of the classifier of networks of cells is
left out. Expected: the published errors are those of other trainings, up to 1800 epochs. Cost: no search.
"""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass

from harness import Method, Task, space_is
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
        """The space has to be that of the published networks."""
        return space_is(task, PublishedSpace)

    def search(self, task: Task) -> None:
        """Proposes the network."""
        task.propose(task.space.parse(f"{task.space.name}:{self.network}"))


METHOD = PublishedNetwork
