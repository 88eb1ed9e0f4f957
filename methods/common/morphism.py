"""Network morphisms: a larger network with weights that compute the same function as the smaller one.

The operators of Net2Net (Chen, Goodfellow & Shlens, ICLR 2016) and of network morphism (Wei et al., ICML 2016) on the
chains of :mod:`harness.spaces.morphism`, in NumPy. Without noise each keeps the outputs of the network in inference.

- **wider**: new filters are copies of random old ones; whoever reads a filter that now comes c times weighs each copy
  with a c-th. Where a skip is added, the skip's own convolution is widened alike.
- **deeper**: a layer that copies its input, behind a rectifier, where rectifying again changes nothing. Its
  normalisation undoes itself: scale and offset are the deviation and mean that it divides by and subtracts.
- **skip**: an added one is zero at first; a concatenated one is read with weight zero.

Importing this module imports TensorFlow; methods do so inside ``search``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness import Size
from harness.nets.norm import EPSILON
from harness.spaces.morphism import ADD, Chain, Convolution, MorphSpace, Skip

Array = NDArray[np.float32]
Key = tuple[str | int, ...]
Weights = Mapping[Key, tuple[Array, ...]]
"""Arrays by layer: the kernel, and scale, offset, mean and variance of a normalisation; ``LOGITS`` has a bias."""
LOGITS: Key = ("logits",)


@dataclass(frozen=True)
class Noise:
    """Noise that breaks the symmetry between copies; zero keeps the function exactly.

    Args:
        rng: draws which filters are copied, and the noise.
        wider, deeper: deviation of the noise, relative to the deviation of the kernel's weights.
    """

    rng: np.random.Generator
    wider: float = 0.0
    deeper: float = 0.0


@dataclass(frozen=True)
class Net:
    """A network and its weights."""

    chain: Chain
    weights: Weights


class Morphisms:
    """The operators at one size of the networks.

    Args:
        space: of the chains.
        size: says how widths are scaled.
    """

    def __init__(self, space: MorphSpace, size: Size) -> None:
        self._space, self._size = space, size

    def wider(self, net: Net, key: Key, width: int, noise: Noise) -> Net:
        """``net`` with a larger ``width`` of the layer ``key``, a convolution or a dense one."""
        chain, weights = net.chain, dict(net.weights)
        number = int(key[1])
        old = weights[key][0].shape[-1]
        new = self._space.scaled(width, self._size)
        copies = np.concatenate([np.arange(old), noise.rng.integers(old, size=new - old)])
        share = 1 / np.bincount(copies, minlength=old)[copies]

        def read(kernel: Array, begin: int = 0, pixels: int = 1) -> Array:
            """The kernel of a reader; the widened channels are ``begin`` to ``begin + old`` of each of its pixels."""
            parts = kernel.reshape(*kernel.shape[:-2], pixels, -1, kernel.shape[-1])
            inside = parts[..., begin : begin + old, :][..., copies, :] * share[:, None]
            whole = np.concatenate([parts[..., :begin, :], inside, parts[..., begin + old :, :]], axis=-2)
            return whole.reshape(*kernel.shape[:-2], -1, kernel.shape[-1]).astype(np.float32)

        def pass_on(key: Key) -> None:
            """Behind the flattening a kernel has the channels of every pixel, pixel by pixel."""
            kernel, *rest = weights[key]
            weights[key] = (read(kernel, pixels=1 if key[0] == "conv" else kernel.shape[-2] // old), *rest)

        kernel, *norm = (array[..., copies] for array in weights[key])
        kernel[..., old:] += _noise(noise.rng, kernel[..., old:].shape, noise.wider * float(kernel.std()))
        weights[key] = (kernel, *norm)
        if key[0] == "dense":
            units = (*chain.dense[:number], width, *chain.dense[number + 1 :])
            pass_on(_after_dense(chain, number))
            return Net(replace(chain, dense=units), weights)
        for skip in chain.skips:
            if number not in skip[1:]:
                continue
            kernel, *norm = weights[skip]
            if skip.target == number and skip.kind == ADD:
                weights[skip] = (kernel[..., copies], *(array[copies] for array in norm))
            elif skip.target == number:
                weights[skip] = (read(kernel)[..., copies],)
            else:
                begin = 0 if skip.kind == ADD else kernel.shape[-1]
                weights[skip] = (read(kernel, begin), *norm)
        pass_on(_after(chain, number))
        return Net(chain.wider(number, width), weights)

    def deeper(
        self, net: Net, number: int, kernel: int, noise: Noise, statistics: tuple[Array, Array] | None = None
    ) -> Net:
        """``net`` with a convolution behind convolution ``number``, in the same block.

        Args:
            net: stays as it is.
            number: of the convolution.
            kernel: size of the new one.
            noise: see :class:`Noise`.
            statistics: mean and variance per channel of what the new layer reads, so that it keeps the function in
                training mode too; 0 and 1 if None, which only keeps it in inference.
        """
        new = net.chain.deeper(number, Convolution(kernel, net.chain.convolutions[number].width))
        channels = net.weights["conv", number][0].shape[-1]
        weights = {_shifted(key, number): arrays for key, arrays in net.weights.items()}
        weights["conv", number + 1] = _identity(kernel, channels, noise, statistics)
        return Net(new, weights)

    def deeper_dense(self, net: Net, number: int, noise: Noise, statistics: tuple[Array, Array] | None = None) -> Net:
        """``net`` with a dense layer behind dense layer ``number``; arguments as for :meth:`deeper`."""
        units = net.chain.dense
        weights = {
            ("dense", int(key[1]) + 1) if key[0] == "dense" and int(key[1]) > number else key: arrays
            for key, arrays in net.weights.items()
        }
        channels = weights["dense", number][0].shape[-1]
        weights["dense", number + 1] = _identity(1, channels, noise, statistics)
        return Net(replace(net.chain, dense=(*units[: number + 1], *units[number:])), weights)

    def skip(self, net: Net, skip: Skip) -> Net:
        """``net`` with one more skip."""
        weights = dict(net.weights)
        source, target = (weights["conv", number][0].shape[-1] for number in (skip.source, skip.target))
        if skip.kind == ADD:
            weights[skip] = (np.zeros((1, 1, source, target), np.float32), *_norm(target, None))
        else:
            kernel = np.zeros((1, 1, target + source, target), np.float32)
            kernel[0, 0, :target] = np.eye(target)
            weights[skip] = (kernel,)
        return Net(replace(net.chain, skips=(*net.chain.skips, skip)), weights)


def _after(chain: Chain, convolution: int) -> Key:
    """The layer behind a convolution, skips apart."""
    if convolution + 1 < len(chain.convolutions):
        return ("conv", convolution + 1)
    return ("dense", 0) if chain.dense else LOGITS


def _after_dense(chain: Chain, dense: int) -> Key:
    return ("dense", dense + 1) if dense + 1 < len(chain.dense) else LOGITS


def _shifted(key: Key, number: int) -> Key:
    """The name of a layer after a convolution was put behind ``number``."""
    if isinstance(key, Skip):
        return key.behind(number)
    if key[0] == "conv":
        return ("conv", int(key[1]) + (int(key[1]) > number))
    return key


def _identity(size: int, channels: int, noise: Noise, statistics: tuple[Array, Array] | None) -> tuple[Array, ...]:
    kernel = np.zeros((size, size, channels, channels), np.float32)
    kernel[size // 2, size // 2] = np.eye(channels)
    kernel += _noise(noise.rng, kernel.shape, noise.deeper * float(kernel.std()))
    return (kernel, *_norm(channels, statistics))


def _norm(channels: int, statistics: tuple[Array, Array] | None) -> tuple[Array, ...]:
    """Scale, offset, mean and variance of a normalisation that leaves what it gets alone."""
    mean, variance = statistics or (np.zeros(channels, np.float32), np.ones(channels, np.float32))
    return (np.sqrt(variance + np.float32(EPSILON)), mean.copy(), mean, variance)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> Array:
    return (deviation * rng.standard_normal(shape)).astype(np.float32) if deviation else np.zeros(shape, np.float32)
