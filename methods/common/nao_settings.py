"""Size and training of NAO's model: hyper-parameters that NAO and NAO-WS have in common."""

from __future__ import annotations

from dataclasses import dataclass

from harness import InputError

from .settings import Settings


@dataclass(frozen=True)
class ModelSettings(Settings):
    """Encoder, predictor and decoder.

    Args:
        epd_units: of both LSTMs; even, because the encoder reads two words at a time.
        epd_layers: units of the predictor's hidden layers.
        epd_dropout: of the encoder's inputs and of the predictor's hidden layers.
        epd_epochs, epd_batch, epd_rate: length of a training, architectures per gradient step, Adam's learning rate.
    """

    epd_units: int
    epd_layers: tuple[int, ...]
    epd_dropout: float
    epd_epochs: int
    epd_batch: int
    epd_rate: float

    def __post_init__(self) -> None:
        if self.epd_units < 2 or self.epd_units % 2 or min((self.epd_epochs, self.epd_batch, *self.epd_layers)) < 1:
            raise InputError("NAO's model needs even epd_units, and epd_epochs, epd_batch and layers of at least 1")
        if not 0 <= self.epd_dropout < 1 or self.epd_rate <= 0:
            raise InputError("NAO's model needs epd_dropout in [0, 1) and epd_rate > 0")
