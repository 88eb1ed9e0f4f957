"""A given architecture, trained as it is: `run --architecture FILE` makes a method `given/NAME` of it. Not in `all`.

There is no search: the architecture of a file gets the same final training as the results of the searches, and stands
in the same table. It is built at the profile's size, as what is found in its space is.

Reference: none. Deviations: none, the file is taken at its word; stem, reductions and classifier are its space's.
Expected: what the architecture is worth under the profile's training. Cost: no search.
"""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass

from harness import Method, Task


@dataclass(frozen=True)
class GivenArchitecture(Method):
    """Proposes one architecture and stops; the budget stays untouched."""

    name = "given"
    title = "Given architecture"
    space = "given"

    architecture: str = ""

    @classmethod
    def of(cls, architecture: str, name: str) -> type[GivenArchitecture]:
        """The method of one architecture.

        Args:
            architecture: a genotype's text.
            name: of the method, ``given/NAME``.
        """
        names = {"name": name, "title": f"{name.partition('/')[2]} (given)", "space": architecture.partition(":")[0]}
        field = ("architecture", str, architecture)
        return make_dataclass("GivenArchitecture", [field], bases=(cls,), namespace=names, frozen=True)

    def unsupported(self, task: Task) -> str | None:
        """It has to be a point of the task's space."""
        own = self.architecture.partition(":")[0]
        return (
            None if own == task.space.name else f"the architecture is one of space '{own}', not of '{task.space.name}'"
        )

    def search(self, task: Task) -> None:
        """Proposes the architecture."""
        task.propose(task.space.parse(self.architecture))


METHOD = GivenArchitecture
