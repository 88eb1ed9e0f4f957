"""Where the project's own files are: in a checkout, or in an installed package. And where data sets usually are.

A checkout has ``methods/``, ``datasets/`` and ``results/`` beside ``harness/``; a wheel has them inside. In both they
are imported as ``harness.methods`` and ``harness.datasets``, so that no other package called ``datasets`` interferes.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
"""The directory of the package ``harness``."""
CHECKOUT: Path | None = None if (PACKAGE / "methods").is_dir() else PACKAGE.parent
"""The directory of the checkout, or None in an installed package, beside which others may have a ``methods`` too."""
DEFAULT_DATA = Path("~/.cache/nas-harness")
"""Where data sets are, unless the command says otherwise."""


def folder(name: str) -> Path:
    """The directory of a part of the project that a checkout keeps at its top: ``methods``, ``results/published``."""
    return (CHECKOUT or PACKAGE) / name
