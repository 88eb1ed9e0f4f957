"""Networks made by hand: DenseNet-BC, Shake-Shake, FractalNet, a convolutional neural fabric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import BiasedConv, Conv, Dropout, Norm, Pool, Primitive, Relu, ShakeShortcut, Unpool
from harness.core.space import Size
from harness.spaces.zoo.entry import ZooNetwork

_SCALES = 6


def _norm_relu_conv(filters: int, size: int) -> tuple[Primitive, ...]:
    return (Norm(), Relu(), Conv(size, size, filters))


def _densenet(size: Size) -> LayerGraph:
    layers, growth = Layers(), size.channels
    width = 2 * growth
    node = layers.add(0, Conv(3, 3, width, (size.stem_stride,) * 2))
    for block in range(3):
        if block > 0:
            width //= 2
            node = layers.add(node, *_norm_relu_conv(width, 1), Pool("avg", 2, 2))
        for _ in range(size.layers):
            new = layers.add(node, *_norm_relu_conv(4 * growth, 1), *_norm_relu_conv(growth, 3))
            node = layers.add([node, new], merge="concat")
            width += growth
    return layers.graph(layers.add(node, Norm(), Relu()))


def _shake_shake(size: Size) -> LayerGraph:
    layers, width, before = Layers(), size.channels, 16
    node = layers.add(0, Conv(3, 3, before, (size.stem_stride,) * 2), Norm())
    for stage in range(3):
        for block in range(size.layers):
            stride = 2 if stage > 0 and block == 0 else 1
            first = (Relu(), Conv(3, 3, width, (stride, stride)), Norm())
            branches = [layers.add(node, *first, Relu(), Conv(3, 3, width), Norm()) for _ in range(2)]
            mixed = layers.add(branches, merge="shake")
            skip = node if before == width else layers.add(node, Relu(), ShakeShortcut(width, stride), Norm())
            node, before = layers.add([skip, mixed]), width
        width *= 2
    return layers.graph(layers.add(node, Relu()))


def _fractal(size: Size) -> LayerGraph:
    columns, depth = 3, 4
    layers = Layers()
    node = layers.image(size.stem_stride)
    for block in range(size.layers):
        filters = size.channels * min(2**block, 8)
        primitives = (Conv(3, 3, filters), Dropout(0.1 * block), Norm(), Relu())
        ends = [node] * columns
        for row in range(1, depth + 1):
            # Column c, from the shallowest, has a convolution at every (depth / 2^c)-th row.
            here = [column for column in range(columns) if row % (depth >> column) == 0]
            pooled = (Pool("max", 2, 2),) if row == depth else ()
            joined = layers.merged([layers.add(ends[column], *primitives, *pooled) for column in here], "mean")
            for column in here:
                ends[column] = joined
        node = ends[0]
    return layers.graph(node)


def _fabric(size: Size) -> LayerGraph:
    layers, channels = Layers(), size.channels
    image = layers.image(size.stem_stride)

    def node(incoming: Sequence[int]) -> int:
        return layers.add(incoming, Norm(), Relu())

    def finer(source: int) -> int:
        return layers.add(source, BiasedConv(3, channels, 2))

    column = [node([layers.add(image, BiasedConv(3, channels))])]
    for _ in range(_SCALES - 1):
        column.append(node([finer(column[-1])]))
    for layer in range(1, size.layers):
        new: list[int] = []
        for scale, same in enumerate(column):
            incoming = [layers.add(same, BiasedConv(3, channels))]
            if scale > 0:
                incoming.append(finer(column[scale - 1]))
            if scale < _SCALES - 1:
                incoming.append(layers.add(column[scale + 1], Unpool(), BiasedConv(3, channels)))
            if layer == size.layers - 1 and scale > 0:
                incoming.append(finer(new[-1]))
            new.append(node(incoming))
        column = new
    return layers.graph(column[-1])


_SHAKE = ZooNetwork(
    name="shake_shake_26_2x96d",
    title="Shake-Shake 26 2x96d",
    row="DenseNet + Shake-Shake",
    paper="Gastaldi 2017, arXiv 1705.07485",
    build=_shake_shake,
    size=Size(96, 4),
    parameters=26_192_922,
    sources=("xgastaldi/shake-shake: models/shakeshake.lua, shakeshakeblock.lua",),
    layers_are="residual blocks per stage",
    least=1,
    millions=26.2,
    error=2.86,
    open="The table's name of the row misleads: there is no DenseNet in this network.",
)

HANDMADE = (
    ZooNetwork(
        name="densenet_bc_190_40",
        title="DenseNet-BC",
        row="DenseNet-BC",
        paper="Huang et al. 2016, arXiv 1608.06993",
        build=_densenet,
        size=Size(40, 31),
        parameters=25_624_430,
        sources=("liuzhuang13/DenseNet: models/densenet.lua, DenseConnectLayer.lua",),
        channels_are="growth rate",
        layers_are="layers per block",
        least=2,
        millions=25.6,
        error=3.46,
    ),
    _SHAKE,
    replace(
        _SHAKE,
        name="shake_shake_26_2x96d_cutout",
        title="Shake-Shake 26 2x96d, cutout",
        row="DenseNet + CutOut",
        paper="DeVries & Taylor 2017, arXiv 1708.04552",
        sources=(*_SHAKE.sources, "uoguelph-mlrg/Cutout: shake-shake/, util/cutout.py"),
        error=2.56,
        cutout=True,
    ),
    ZooNetwork(
        name="convolutional_neural_fabric_dense",
        title="Convolutional neural fabric",
        row="ConvFabrics",
        paper="Saxena & Verbeek 2016, arXiv 1606.02492",
        build=_fabric,
        size=Size(128, 8),
        parameters=18_022_410,
        sources=(
            "shreyassaxena/convolutional-neural-fabrics: MNIST/Generate_prototxt",
            "TomVeniat/bsn: src/implem/ConvolutionalNeuralFabrics.py",
        ),
        channels_are="filters of every node",
        layers_are="layers of the trellis",
        least=2,
        millions=21.2,
        error=7.43,
        open=(
            "The printed count is 27 * 8 layers * 6 scales * 128^2, three full convolutions into every node; the nodes "
            "at the border have fewer, and the edges that the authors' generator writes have 18.0M. That generator is "
            "for MNIST; 8 layers and 128 channels follow from the printed count and from two re-implementations."
        ),
    ),
    ZooNetwork(
        name="fractalnet_3col_5block",
        title="FractalNet",
        row="FractalNet",
        paper="Larsson et al. 2017, arXiv 1605.07648",
        build=_fractal,
        size=Size(64, 5),
        parameters=33_724_618,
        sources=("gustavla/fractalnet: generation/fractalnet.py", "khanrc/pt.fractalnet: fractal.py, exp-note-kor.md"),
        layers_are="blocks",
        least=2,
        millions=38.6,
        error=4.60,
        open=(
            "The authors' generator and all ports have 33.7M. 38.65M would follow if a 1x1 convolution widened the "
            "image in front of every block whose width changes, which no source says. Drop path over columns is left "
            "out here."
        ),
    ),
)
