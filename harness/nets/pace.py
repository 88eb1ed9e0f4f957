"""How many steps a training takes, when a number of seconds is what it was given, or a cap on them."""

from __future__ import annotations

WINDOW = 0.05
"""Share of the seconds over which the rate is measured."""
PATIENCE = 0.25
"""Share of a cap over which the rate is measured before it shortens a training: a machine may be busy for a while."""
SLACK = 0.02
"""Share of the steps by which a prediction may be wrong before the number of steps is lowered."""


class Pace:
    """Fixes the number of steps from the rate of the first ones, and lowers it only if the machine becomes too slow.

    Without a limit in seconds it keeps ``steps`` and measures the rate.

    Args:
        steps: the number of steps; with ``seconds``, an upper bound.
        seconds: how long the steps may take together; 0 for no limit.
        capped: whether ``seconds`` are a cap only: the total is ``steps`` from the start, and lowered only where the
            rate of a quarter of the cap says that they do not fit.

    Attributes:
        total: the number of steps as known now.
        used: seconds of all steps so far.
        fixed: whether ``total`` is more than an estimate; it can then become lower but not higher.
    """

    def __init__(self, steps: int, seconds: float, *, capped: bool = False) -> None:
        self.total, self.seconds = steps, seconds
        self.used, self.fixed = 0.0, capped or seconds <= 0.0
        self._window = (PATIENCE if capped else WINDOW) * seconds
        self._bound = steps
        self._warm_steps, self._warm_seconds = 0, 0.0
        self._window_steps, self._window_seconds = 0, 0.0

    def stepped(self, done: int, seconds: float, *, traced: bool) -> None:
        """Takes notice of a step.

        Args:
            done: steps so far, with this one.
            seconds: what this one took.
            traced: whether that includes tracing; such a step counts but says nothing about the rate.
        """
        self.used += seconds
        if not traced:
            self._warm_steps, self._warm_seconds = self._warm_steps + 1, self._warm_seconds + seconds
            self._window_steps, self._window_seconds = self._window_steps + 1, self._window_seconds + seconds
        if self.seconds <= 0.0:
            return
        if self.used >= self.seconds:
            self.total, self.fixed = min(self.total, done), True
        elif self._window_steps and self._window_seconds > 0.0:
            self._predict(done)

    def _predict(self, done: int) -> None:
        fits = done + round((self.seconds - self.used) * self._window_steps / self._window_seconds)
        measured = self._window_seconds >= self._window
        if not self.fixed:
            self.total, self.fixed = min(self._bound, fits), measured
        elif not measured or fits >= self.total * (1.0 - SLACK):
            return
        else:
            self.total = fits
        if measured:
            self._window_steps, self._window_seconds = 0, 0.0

    def rate(self) -> float:
        """Steps per second, from the steps that were not traced; 0 if there was none."""
        return self._warm_steps / self._warm_seconds if self._warm_seconds else 0.0

    def restore(self, total: int, used: float, fixed: bool) -> None:
        """Takes up an interrupted training."""
        self.total, self.used, self.fixed = total, used, fixed
