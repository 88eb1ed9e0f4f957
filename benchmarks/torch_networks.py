"""The yardstick: the networks of the benchmarks written plainly in PyTorch, from the papers, one module per operation.

As somebody would write them who wants no framework of ours: eager, channels-last, in-place nothing, no sharing. The
search network is that of DARTS (Liu, Simonyan, Yang, ICLR 2019, section 2 and appendix A): every edge holds all eight
operations and sums them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

Step = Callable[[], object]
OPERATIONS = 8


def plain(channels: int, classes: int, widths: tuple[int, ...]) -> nn.Module:
    """3x3 convolutions of these widths, pooled after the second and the fourth."""
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise((channels, *widths))):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if place in (1, 3) else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def separable(channels: int, classes: int, widths: tuple[int, ...]) -> nn.Module:
    """As :func:`plain`; all convolutions but the first are depthwise 3x3, then pointwise."""
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise((channels, *widths))):
        if place:
            layers += [nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False)]
            layers += [nn.Conv2d(before, after, 1, bias=False)]
        else:
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if place in (1, 3) else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def training_step(network: nn.Module, batch: int, shape: tuple[int, int, int]) -> Step:
    """Forward, backward and SGD with Nesterov momentum on one batch of noise of this shape (h, w, c)."""
    network = network.to(memory_format=torch.channels_last).train()
    height, width, channels = shape
    images = torch.randn(batch, channels, height, width).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


class FactorizedReduce(nn.Module):
    """Two pointwise convolutions of stride 2, the second on the image shifted by one pixel."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after // 2, 1, 2, bias=False)
        self.second = nn.Conv2d(before, after - after // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(after, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(x)
        return self.norm(torch.cat([self.first(x), self.second(x[:, :, 1:, 1:])], 1))


def _relu_conv_norm(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after, affine=False))


def _depthwise(width: int, size: int, stride: int, dilation: int) -> list[nn.Module]:
    padding = dilation * (size - 1) // 2
    return [
        nn.ReLU(),
        nn.Conv2d(width, width, size, stride, padding, dilation, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width, affine=False),
    ]


def _operations(width: int, stride: int) -> list[nn.Module | None]:
    return [
        None,
        nn.Sequential(nn.MaxPool2d(3, stride, 1), nn.BatchNorm2d(width, affine=False)),
        nn.Sequential(nn.AvgPool2d(3, stride, 1, count_include_pad=False), nn.BatchNorm2d(width, affine=False)),
        nn.Identity() if stride == 1 else FactorizedReduce(width, width),
        *(nn.Sequential(*_depthwise(width, size, stride, 1), *_depthwise(width, size, 1, 1)) for size in (3, 5)),
        *(nn.Sequential(*_depthwise(width, size, stride, 2)) for size in (3, 5)),
    ]


class MixedEdge(nn.Module):
    """The weighted sum of all operations; ``none`` adds nothing."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        there = [(place, op) for place, op in enumerate(_operations(width, stride)) if op is not None]
        self.places = [place for place, _ in there]
        self.operations = nn.ModuleList(op for _, op in there)

    def forward(self, x: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        terms = [share[place] * op(x) for place, op in zip(self.places, self.operations, strict=True)]
        return sum(terms[1:], terms[0])


class SearchCell(nn.Module):
    """Four nodes, each reading all before it."""

    def __init__(self, before: int, last: int, width: int, *, reduces: bool, halved: bool, nodes: int = 4) -> None:
        super().__init__()
        self.before = FactorizedReduce(before, width) if halved else _relu_conv_norm(before, width)
        self.last = _relu_conv_norm(last, width)
        self.reduces, self.nodes = reduces, nodes
        self.edges = nn.ModuleList(
            MixedEdge(width, 2 if reduces and source < 2 else 1)
            for target in range(2, nodes + 2)
            for source in range(target)
        )

    def forward(self, before: torch.Tensor, last: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        states, place = [self.before(before), self.last(last)], 0
        for _ in range(self.nodes):
            terms = [self.edges[place + i](state, shares[place + i]) for i, state in enumerate(states)]
            place += len(states)
            states.append(sum(terms[1:], terms[0]))
        return torch.cat(states[2:], 1)


class SearchNetwork(nn.Module):
    """DARTS' relaxed network; reduction cells at one and two thirds."""

    def __init__(self, channels: int, cells: int, image_channels: int, classes: int) -> None:
        super().__init__()
        width = channels
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, 3 * width, 3, padding=1, bias=False), nn.BatchNorm2d(3 * width)
        )
        before = last = 3 * width
        halved, built = False, list[nn.Module]()
        for number in range(cells):
            reduces = number in (cells // 3, 2 * cells // 3)
            width *= 2 if reduces else 1
            built.append(SearchCell(before, last, width, reduces=reduces, halved=halved))
            before, last, halved = last, 4 * width, reduces
        self.cells = nn.ModuleList(built)
        self.head = nn.Linear(last, classes)
        self.alpha = nn.ParameterList(nn.Parameter(1e-3 * torch.randn(14, OPERATIONS)) for _ in range(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        normal, reduction = (torch.softmax(alpha, -1) for alpha in self.alpha)
        before = last = self.stem(images)
        for cell in self.cells:
            before, last = last, cell(before, last, reduction if cell.reduces else normal)
        return self.head(last.mean((2, 3)))

    def weights(self) -> list[nn.Parameter]:
        """All but alpha."""
        architecture = {id(alpha) for alpha in self.alpha}
        return [parameter for parameter in self.parameters() if id(parameter) not in architecture]


def darts_step(network: SearchNetwork, batch: int, shape: tuple[int, int, int]) -> Step:
    """One first-order step: alpha on a validation batch, then the weights on a training batch.

    Each of the two asks for the gradients it needs and no others.
    """
    network = network.to(memory_format=torch.channels_last).train()
    height, width, channels = shape
    images = [torch.randn(batch, channels, height, width).to(memory_format=torch.channels_last) for _ in range(2)]
    labels = [torch.randint(0, 10, (batch,)) for _ in range(2)]
    weights = network.weights()
    adam = torch.optim.Adam(network.alpha.parameters(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    sgd = torch.optim.SGD(weights, lr=0.025, momentum=0.9, weight_decay=3e-4)

    def step() -> float:
        alpha = list(network.alpha.parameters())
        loss = F.cross_entropy(network(images[0]), labels[0])
        for parameter, gradient in zip(alpha, torch.autograd.grad(loss, alpha), strict=True):
            parameter.grad = gradient
        adam.step()
        loss = F.cross_entropy(network(images[1]), labels[1])
        for parameter, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(weights, 5.0)
        sgd.step()
        return float(loss.detach())

    return step
