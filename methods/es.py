"""Evolution strategies on a controller: its parameters are moved along an estimate that needs no derivative.

Papers: Salimans, Ho, Chen, Sidor & Sutskever, *Evolution strategies as a scalable alternative to reinforcement
learning*, 2017 (OpenAI-ES); Wierstra, Schaul, Glasmachers, Sun, Peters & Schmidhuber, *Natural evolution strategies*,
JMLR 2014 (NES; here SNES, with one standard deviation per parameter). The parameters theta are those of a controller
that draws architectures: one softmax per choice, or an LSTM. An update draws n vectors of noise, trains one
architecture of theta + sigma * noise and one of theta - sigma * noise, both drawn with the same random numbers, and

    OpenAI-ES: theta climbs sum((u+ - u-) noise) / (2 n sigma) by Adam, with a weight decay; u are centred ranks
    SNES:      theta += sigma * sum(u noise), sigma *= exp(rate / 2 * sum(u (noise^2 - 1))); u are NES' utilities.

Equal accuracies share their rank; in the released code the order of the workers decides, so that a constant reward
moves the parameters. Deviations: neither paper searches architectures, so the sizes are ours: sigma 2 and a rate of 0.3
in logits (the papers' robots: 0.02 and 0.01, 10,000 episodes per update), and as many pairs as give twelve updates (in
budgets of seconds the first update has two, because nothing is known of a training's time). The
result is the best architecture observed.
Expected: measured only, 93.85 +- 0.28 % test accuracy on CIFAR-10 in NAS-Bench-201 within 12,000 s, random search
93.75. Cost: one proxy training per architecture, two per pair.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness import Genotype, InputError, Method, Space, Task, needs_choices
from harness.core.names import one_of

from .common.adam import Adam
from .common.ppo import LstmPolicy
from .common.ranks import ranks

Numbers = NDArray[np.float64]
CONTROLLERS = ("logits", "lstm")
VARIANTS = ("openai", "snes")
UPDATES = 12
"""Updates per budget, unless ``pairs`` is given."""
MOST_PAIRS = 50


@dataclass(frozen=True)
class EvolutionStrategies(Method):
    """OpenAI-ES and SNES; works in every space with genotypes.

    Args:
        variant: ``openai`` or ``snes``.
        controller: whose parameters are searched: ``logits``, one softmax per choice, or ``lstm``.
        pairs: of antithetic noise per update; 0 for as many as give twelve updates, 2 to 50.
        sigma: standard deviation of the noise; of SNES the first one.
        learning_rate: Adam's, of OpenAI-ES; SNES has the rates of its paper.
        decay: weight of theta itself in the gradient of OpenAI-ES.
        units: of the LSTM.
    """

    name = "es"
    title = "Evolution strategies"
    space = "nasbench201"
    families = ("neural evolution strategies",)
    position = 62
    look = 18
    scaled: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    variant: str = "openai"
    controller: str = "logits"
    pairs: int = 0
    sigma: float = 2.0
    learning_rate: float = 0.3
    decay: float = 0.005
    units: int = 32

    def __post_init__(self) -> None:
        one_of("variant of es", self.variant, VARIANTS)
        one_of("controller of es", self.controller, CONTROLLERS)
        if min(self.sigma, self.learning_rate) <= 0 or self.decay < 0 or self.pairs < 0 or self.units < 1:
            raise InputError("es needs sigma and learning_rate > 0, decay and pairs >= 0 and units >= 1")

    def unsupported(self, task: Task) -> str | None:
        """There has to be something to choose."""
        return needs_choices(task)

    def search(self, task: Task) -> None:
        """Draws pairs, trains and moves in turn. An interrupted run learns again from its log."""
        controller = self.controller_of(task.space, task.rng)
        strategy = self.strategy(controller.start)
        while True:
            noise = task.rng.standard_normal((self.planned_pairs(task), len(controller.start)))
            evaluations = task.evaluate(self._mirrored(task, controller, strategy, noise))
            strategy.tell(noise, np.array([evaluation.accuracy for evaluation in evaluations]).reshape(-1, 2).T)

    def _mirrored(
        self, task: Task, controller: LogitsController | LstmController, strategy: Strategy, noise: Numbers
    ) -> Iterator[Genotype]:
        """Two architectures per direction, drawn with the same numbers: one there and one at its mirror image."""
        for direction in noise:
            uniforms = task.rng.random(len(task.space.choices))
            for sign in (1, -1):
                yield task.space.genotype(controller.decide(strategy.at(sign * direction), uniforms))

    def planned_pairs(self, task: Task) -> int:
        """Pairs of the next update."""
        return self.pairs or int(np.clip(round(task.children() / (2 * UPDATES)), 2, MOST_PAIRS))

    def controller_of(self, space: Space, rng: np.random.Generator) -> LogitsController | LstmController:
        """The controller that ``controller`` names."""
        if self.controller == "logits":
            return LogitsController(space)
        return LstmController(space, rng, self.units)

    def strategy(self, theta: Numbers) -> Strategy:
        """The strategy that ``variant`` names, starting at ``theta``."""
        if self.variant == "snes":
            return Snes(theta, self.sigma)
        return OpenAiEs(theta, self.sigma, self.learning_rate, self.decay)


class LogitsController:
    """One softmax per choice; its parameters are all logits in a row, and start at 0."""

    def __init__(self, space: Space) -> None:
        self._ends = np.cumsum([len(choice) for choice in space.choices])
        self.start = np.zeros(self._ends[-1])

    def decide(self, theta: Numbers, uniforms: Numbers) -> tuple[int, ...]:
        """The picks that one uniform number per choice draws by the cumulative distributions."""
        picks = []
        for logits, uniform in zip(np.split(theta, self._ends[:-1]), uniforms, strict=True):
            powers = np.exp(logits - logits.max())
            picks.append(int(np.searchsorted(np.cumsum(powers[:-1]) / powers.sum(), uniform, side="right")))
        return tuple(picks)


class LstmController:
    """The LSTM of :mod:`.common.ppo`; its parameters are all weights in a row."""

    def __init__(self, space: Space, rng: np.random.Generator, units: int) -> None:
        self._policy = LstmPolicy(space, rng, units=units, bound=0.1)
        self.start = np.concatenate([weight.ravel() for weight in self._policy.weights.values()])

    def decide(self, theta: Numbers, uniforms: Numbers) -> tuple[int, ...]:
        """The picks of the LSTM with these weights."""
        begin = 0
        for weight in self._policy.weights.values():
            weight[...] = theta[begin : begin + weight.size].reshape(weight.shape)
            begin += weight.size
        return tuple(self._policy.sample(uniforms[None]).picks[0].tolist())


class Strategy(abc.ABC):
    """A mean and a spread of parameters, moved by what pairs of samples are worth.

    Args:
        theta: the first mean, ``(d,)``; copied.
    """

    def __init__(self, theta: Numbers) -> None:
        self.theta = theta.copy()

    @abc.abstractmethod
    def at(self, noise: Numbers) -> Numbers:
        """The parameters that standard normal ``noise`` ``(d,)`` stands for."""

    @abc.abstractmethod
    def tell(self, noise: Numbers, returns: Numbers) -> None:
        """One update from ``noise`` ``(n, d)`` and the returns of its two signs ``(2, n)``, the larger the better."""


class OpenAiEs(Strategy):
    """Fixed spread, Adam on the estimated gradient of the ranks and on the weight decay."""

    def __init__(self, theta: Numbers, sigma: float, rate: float, decay: float) -> None:
        super().__init__(theta)
        self._sigma, self._rate, self._decay = sigma, rate, decay
        self._adam = Adam([self.theta])

    def at(self, noise: Numbers) -> Numbers:
        """See :class:`Strategy`."""
        return self.theta + self._sigma * noise

    def tell(self, noise: Numbers, returns: Numbers) -> None:
        """See :class:`Strategy`."""
        uphill = estimate(noise, centred_ranks(returns), self._sigma)
        self._adam.descend([self._decay * self.theta - uphill], self._rate)


class Snes(Strategy):
    """Separable NES: the natural gradient for the mean and for one standard deviation per parameter."""

    def __init__(self, theta: Numbers, sigma: float) -> None:
        super().__init__(theta)
        self.sigma = np.full(theta.shape, sigma)
        self._rate = (3 + np.log(theta.size)) / (5 * np.sqrt(theta.size))

    def at(self, noise: Numbers) -> Numbers:
        """See :class:`Strategy`."""
        return self.theta + self.sigma * noise

    def tell(self, noise: Numbers, returns: Numbers) -> None:
        """See :class:`Strategy`."""
        worth = utilities(returns)
        self.theta += self.sigma * ((worth[0] - worth[1]) @ noise)
        self.sigma *= np.exp(self._rate / 2 * (worth.sum(axis=0) @ (noise**2 - 1)))


def estimate(noise: Numbers, worth: Numbers, sigma: float) -> Numbers:
    """The gradient of the mean worth under the noise, from antithetic pairs; unbiased if ``worth`` are the returns.

    Args:
        noise: ``(n, d)``.
        worth: of both signs, ``(2, n)``.
        sigma: the noise's standard deviation.
    """
    return (worth[0] - worth[1]) @ noise / (2 * len(noise) * sigma)


def centred_ranks(values: Numbers) -> Numbers:
    """Ranks from -0.5 to 0.5 over all values, in their shape; equal values share the mean of their ranks."""
    return ((ranks(values) - 1) / (values.size - 1) - 0.5).reshape(values.shape)


def utilities(values: Numbers) -> Numbers:
    """NES' utilities, in the shape of ``values``: only the better half counts in their favour, and their sum is 0.

    ``max(0, log(n / 2 + 1) - log(rank))`` over its sum, minus 1 / n; equal values share the mean of theirs.
    """
    n = values.size
    by_rank = np.maximum(0.0, np.log(n / 2 + 1) - np.log(np.arange(1, n + 1)))
    by_rank = by_rank / by_rank.sum() - 1 / n
    _, kind, count = np.unique(-values.ravel(), return_inverse=True, return_counts=True)
    groups = np.split(by_rank, np.cumsum(count)[:-1])
    return np.array([group.mean() for group in groups])[kind].reshape(values.shape)


METHOD = EvolutionStrategies
