"""Limits of the networks that a search may propose: parameters, multiply-accumulates, latency."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass

from harness.core.errors import InputError

_NUMBER = re.compile(r"^\s*(\d+(?:\.\d+)?(?:e\+?\d{1,2})?)\s*([kmg]?)\s*$", re.IGNORECASE | re.ASCII)
_TIME = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s)?\s*$", re.ASCII)
_FACTORS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


@dataclass(frozen=True)
class Footprint:
    """How large the network of a final training is.

    Args:
        parameters: trainable weights, without an auxiliary head.
        macs: multiply-accumulates of one forward pass.
        latency: median of a forward pass of one image on this machine, ms; None where it was not measured.
    """

    parameters: int
    macs: int
    latency: float | None = None


@dataclass(frozen=True)
class Limits:
    """The most that the network of a final training may have; 0 where there is no limit.

    Args:
        parameters, macs: as of :class:`Footprint`.
        latency: ms.
    """

    parameters: int = 0
    macs: int = 0
    latency: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.parameters or self.macs or self.latency)

    @staticmethod
    def parse(parameters: str = "", macs: str = "", latency: str = "") -> Limits:
        """Limits from words: ``"500000"``, ``"500k"`` or ``"5e5"``; ``"2.5"`` or ``"2.5ms"``; empty for none.

        Raises:
            InputError: a word is no positive number.
        """
        return Limits(_count("--max-parameters", parameters), _count("--max-macs", macs), _milliseconds(latency))

    def words(self) -> str:
        """``at most 500,000 parameters and 2.5 ms``; empty without a limit."""
        parts = [
            *([f"{self.parameters:,} parameters"] if self.parameters else []),
            *([f"{self.macs:,} MACs"] if self.macs else []),
            *([f"{self.latency:g} ms a forward pass"] if self.latency else []),
        ]
        return f"at most {' and '.join(parts)}" if parts else ""

    def plain(self) -> dict[str, float]:
        """The limits that there are, by name."""
        return {name: value for name, value in asdict(self).items() if value}

    def beyond(self, found: Footprint) -> str:
        """What of a network is beyond its limit, in words; empty if nothing is."""
        parts = [
            f"{value:,} {name}, {most:,} at most"
            for name, value, most in (
                ("parameters", found.parameters, self.parameters),
                ("MACs", found.macs, self.macs),
            )
            if most and value > most
        ]
        if self.latency and found.latency is not None and found.latency > self.latency:
            parts.append(f"{found.latency:.3g} ms a forward pass, {self.latency:g} ms at most")
        return "; ".join(parts)


NO_LIMITS = Limits()


def _count(option: str, text: str) -> int:
    if not text:
        return 0
    match = _NUMBER.match(text) if text.isascii() else None
    value = float(match[1]) * _FACTORS[match[2].lower()] if match else 0.0
    if not 1 <= value < 1e18:
        raise InputError(f"'{text}' is no limit for {option}; write a number like 500000, 500k or 5e5")
    return round(value)


def _milliseconds(text: str) -> float:
    if not text:
        return 0.0
    match = _TIME.match(text) if text.isascii() else None
    value = float(match[1]) * (1000 if match[2] == "s" else 1) if match else 0.0
    if not 0 < value < math.inf:
        raise InputError(f"'{text}' is no limit for --max-latency; write milliseconds like 2.5 or 2.5ms")
    return value
