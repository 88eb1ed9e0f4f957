"""Published networks by name, at their own size or at another."""

from __future__ import annotations

from typing import Any

from harness.core.architecture import Architecture
from harness.core.errors import InputError
from harness.core.names import one_of
from harness.core.space import Size
from harness.spaces.zoo import MISSING, PUBLISHED, ZooNetwork


def find(name: str) -> ZooNetwork:
    """The published network with this name.

    Raises:
        InputError: there is none, its definition was never published, or no name is given.
    """
    if not name:
        raise InputError("say which published architecture; python -m harness inspect --published all names them")
    for entry in MISSING:
        if entry.name == name:
            raise InputError(f"the definition of '{name}' was never published; {entry.why}")
    return PUBLISHED[one_of("published architecture", name, PUBLISHED)]


def architecture(name: str, channels: int | None = None, layers: int | None = None) -> tuple[Architecture, Size]:
    """A published network at its published size, or with other channels and layers.

    Raises:
        InputError: there is no such network, its definition was never published, or its depth cannot be changed.
    """
    entry = find(name)
    if layers not in (None, entry.layers) and entry.least == entry.layers:
        raise InputError(f"the {entry.layers} {entry.layers_are} of '{name}' are its definition; leave --layers out")
    size = Size(channels or entry.channels, layers or entry.layers)
    return entry.build(size), size


def scaling(name: str, size: Size) -> dict[str, Any]:
    """How large a published network is under a profile that trains networks of ``size``, for its record."""
    entry = find(name)
    own = entry.scaled(size)
    return {
        "channels": own.channels,
        "layers": own.layers,
        "published channels": entry.channels,
        "published layers": entry.layers,
        "channels are": entry.channels_are,
        "layers are": entry.layers_are,
    }
