"""Published networks as data, each with its source; and which ones were never published.

``PUBLISHED`` holds what can be built, by name; ``MISSING`` what cannot. Both are in the order of the published table,
then of the other networks.
"""

from __future__ import annotations

from harness.spaces.zoo.cells import CELLS, DARTS_V1, DARTS_V2
from harness.spaces.zoo.chains import CHAINS
from harness.spaces.zoo.entry import NeverPublished, Published
from harness.spaces.zoo.handmade import HANDMADE
from harness.spaces.zoo.hierarchical import HIERARCHICAL
from harness.spaces.zoo.missing import MISSING

__all__ = ["DARTS_V1", "DARTS_V2", "MISSING", "PUBLISHED", "NeverPublished", "Published"]

PUBLISHED: dict[str, Published] = {entry.name: entry for entry in (*HANDMADE, *CHAINS, HIERARCHICAL, *CELLS)}
