"""The two methods that learn nothing from what they try, which every space of a comparison is searched with."""

from __future__ import annotations

RANDOM_SAMPLING = "random_sampling"
"""No search: relative improvements are computed over it."""

RANDOM_SEARCH = "random_search"
"""A search that learns nothing from its evaluations: the methods are compared with it."""

ZERO_LINE = (RANDOM_SAMPLING, RANDOM_SEARCH)
"""What a space is searched with whenever a table holds it."""
