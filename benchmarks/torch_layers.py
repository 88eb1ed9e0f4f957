"""Any layer graph of the search spaces written plainly in PyTorch: a module per layer, eager, channels-last.

The twin of :mod:`harness.nets.build` for the yardstick. Padding is symmetric, as PyTorch users write it; outputs have
the same shapes and there are as many weights, but where a stride is 2 the numbers differ from TensorFlow's padding.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from harness.core.graph import Layer, LayerGraph
from harness.core.measure import Shape, merged_shape, shape_after
from harness.core.primitives import Conv, Depthwise, FactorizedReduce, Norm, Pool, Primitive, Relu, Zero


class LayerNetwork(nn.Module):
    """A network up to its logits.

    Args:
        graph: of a search space; of the nodes on which the output does not depend nothing is built.
        image_shape: (h, w, c) of the images.
        classes: of the classifier.

    Raises:
        ValueError: the graph has a layer that no search space of sampled networks has.
    """

    def __init__(self, graph: LayerGraph, image_shape: Shape, classes: int) -> None:
        super().__init__()
        self._graph, self._live = graph, graph.live()
        shapes = [image_shape]
        self.layers = nn.ModuleList()
        for node, layer in enumerate(graph.layers, start=1):
            shape = merged_shape(layer, shapes)
            steps = nn.Sequential()
            for step in layer.primitives:
                if self._live[node]:
                    steps.append(_module(step, shape[2]))
                shape = shape_after(step, shape)
            shapes.append(shape)
            self.layers.append(steps)
        self.classifier = nn.Linear(shapes[graph.output][2], classes, bias=graph.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes = [x]
        for node, (layer, steps) in enumerate(zip(self._graph.layers, self.layers, strict=True), start=1):
            nodes.append(steps(_merged(layer, nodes)) if self._live[node] else x)
        return self.classifier(nodes[self._graph.output].mean((2, 3)))


class Halved(nn.Module):
    """Two pointwise convolutions of stride 2, the second on the image shifted by one pixel."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after // 2, 1, 2, bias=False)
        self.second = nn.Conv2d(before, after - after // 2, 1, 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        moved = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))[:, :, 1:, 1:]
        return torch.cat([self.first(x), self.second(moved)], 1)


class Nothing(nn.Module):
    """Zeros of the same shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


def _module(step: Primitive, width: int) -> nn.Module:
    match step:
        case Relu():
            return nn.ReLU()
        case Conv(height, wide, filters, strides):
            around = ((height - 1) // 2, (wide - 1) // 2)
            return nn.Conv2d(width, filters, (height, wide), strides, around, bias=False)
        case Depthwise(size, stride, dilation):
            padding = dilation * (size - 1) // 2
            return nn.Conv2d(width, width, size, stride, padding, dilation, groups=width, bias=False)
        case Norm(affine):
            return nn.BatchNorm2d(width, affine=affine)
        case Pool(kind, size, stride):
            padding = (size - 1) // 2
            pool = (
                nn.MaxPool2d(size, stride, padding)
                if kind == "max"
                else nn.AvgPool2d(size, stride, padding, count_include_pad=False)
            )
            # A window of two pixels needs one more behind the image.
            return pool if size % 2 else nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), pool)
        case FactorizedReduce(filters):
            return Halved(width, filters)
        case Zero():
            return Nothing()
    raise ValueError(f"no module for {step}")


def _merged(layer: Layer, nodes: list[torch.Tensor]) -> torch.Tensor:
    parts = [nodes[source] for source in layer.inputs]
    if len(parts) == 1:
        return parts[0]
    heights, widths = ([part.shape[axis] for part in parts] for axis in (2, 3))
    if layer.merge == "concat":
        height, width = max(heights), max(widths)
        return torch.cat([F.pad(part, (0, width - part.shape[3], 0, height - part.shape[2])) for part in parts], 1)
    height, width = min(heights), min(widths)
    total = sum(part[:, :, :height, :width] for part in parts)
    assert isinstance(total, torch.Tensor)
    return total / len(parts) if layer.merge == "mean" else total
