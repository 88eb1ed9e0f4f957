"""Published networks as data, each with its source, and networks whose definition was never published.

``PUBLISHED`` has those that can be built, by name, ``MISSING`` those that cannot. Both have first the rows of the
published table of search costs, in its order, then the other networks.
"""

from __future__ import annotations

from harness.spaces.zoo.cells import CELLS, DARTS_V1, DARTS_V2
from harness.spaces.zoo.chains import CHAINS
from harness.spaces.zoo.entry import NeverPublished, ZooNetwork
from harness.spaces.zoo.handmade import HANDMADE
from harness.spaces.zoo.hierarchical import HIERARCHICAL
from harness.spaces.zoo.missing import MISSING

__all__ = ["DARTS_V1", "DARTS_V2", "MISSING", "PUBLISHED", "NeverPublished", "ZooNetwork"]

PUBLISHED: dict[str, ZooNetwork] = {entry.name: entry for entry in (*HANDMADE, *CHAINS, HIERARCHICAL, *CELLS)}
