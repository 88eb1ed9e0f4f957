"""Published networks of searches in chains of layers: Zoph & Le's first one, MetaQNN, EAS, ENAS macro."""

from __future__ import annotations

from dataclasses import replace

from harness.core.architecture import Cell, ConvChain, Edge
from harness.core.graph import LayerGraph, Layers
from harness.core.primitives import (
    BiasedConv,
    Conv,
    Dropout,
    FactorizedReduce,
    Flatten,
    FloorPool,
    Norm,
    Pool,
    Primitive,
    Relu,
    relu_conv_norm,
)
from harness.core.space import Size
from harness.spaces.zoo.entry import ZooNetwork, multiple

_METAQNN = "C512-5 C256-3 C256-5 C256-3 P5-3 C512-3 C512-5 P2-2"
"""Convolutions with filters and size; poolings with size and stride."""
_EAS = "C192-3 C128-5 C256-3 C128-5 C128-3 P C256-3 C384-5 C256-3 C256-5 P C384-5 C384-3 C256-3 C256-5 P C384-3 C256-3"
"""As above; all poolings are 2x2."""
_EAS_DENSE = (1024, 256)
_NAS_V1 = """
36 3x3 0, 48 3x3 1, 36 3x3 1 2, 36 5x5 1 2 3, 48 3x7 3 4, 48 7x7 2 3 4 5, 48 7x7 2 3 4 5 6, 36 7x3 1 6 7,
36 7x1 1 5 6 8, 36 7x7 1 3 4 5 6 7 8 9, 36 5x7 1 2 5 6 7 8 9 10, 48 7x7 1 2 3 4 6 11, 48 7x5 1 3 6 7 8 9 10 11 12,
48 7x5 3 7 12 13, 48 7x5 6 7 11 12 13 14
"""
"""Per layer: filters, height x width, the layers it reads (0 is the image)."""
_ENAS_MACRO = "5 5 5 5 P 3 5 3 5 P 5 5 3 5"
"""Sizes of the convolutions in the order of the drawing; the poolings are boxes of their own."""
_ENAS_MACRO_INPUTS = {
    **{3: "1", 4: "1", 5: "1 4", 6: "3 4 5", 7: "1 3 4 5 6", 8: "1 4 5 7"},
    **{9: "2 4 7", 10: "2 3 5 9", 11: "1 3 4 5 7 10", 12: "4 7 10"},
}
"""By convolution: the earlier convolutions that the next box reads as well."""
_ENAS_MACRO_INPUTS_BEHIND_POOLING = {8: "6"}


def _width(published: int, size: Size, full: int) -> int:
    """The width of a layer when the first one has ``size.channels`` filters instead of the published ``full``."""
    return published if size.channels == full else multiple(published * size.channels / full)


def _metaqnn(size: Size) -> LayerGraph:
    layers = Layers()
    node = layers.image(size.stem_stride)
    words = _METAQNN.split()
    for number, word in enumerate(words, start=1):
        first, second = (int(number) for number in word[1:].split("-"))
        primitives: tuple[Primitive, ...] = (FloorPool(first, second),)
        if word.startswith("C"):
            primitives = (BiasedConv(second, _width(first, size, 512)), Relu())
        if number % 2 == 0:
            primitives = (*primitives, Dropout(number / len(words) / 2))
        node = layers.add(node, *primitives)
    return layers.graph(layers.add(node, Flatten()))


def _eas(size: Size) -> LayerGraph:
    layers = Layers()
    node = layers.image(size.stem_stride)
    for word in _EAS.split():
        if word == "P":
            node = layers.add(node, Pool("max", 2, 2), Dropout(0.3))
        else:
            filters, kernel = (int(number) for number in word[1:].split("-"))
            node = layers.add(node, Conv(kernel, kernel, _width(filters, size, 192)), Norm(), Relu())
    node = layers.add(node, Flatten())
    for units in _EAS_DENSE:
        # A dense layer is a 1x1 convolution of an image of one pixel.
        node = layers.add(node, Conv(1, 1, _width(units, size, 192)), Norm(), Relu(), Dropout(0.5))
    return layers.graph(node)


def _nas_v1(size: Size) -> ConvChain:
    edges, read = list[Edge](), set[int]()
    entries = [entry.split() for entry in _NAS_V1.split(",")]
    for layer, (filters, kernel, *sources) in enumerate(entries, start=1):
        gather = 2 * layer - 1
        edges += [Edge(2 * int(source), gather, "concat") for source in sources]
        edges.append(Edge(gather, gather + 1, f"conv_{kernel}_{_width(int(filters), size, 36)}_s1x1"))
        read |= {int(source) for source in sources}
    last = len(entries)
    loose = tuple(2 * layer for layer in range(1, last + 1) if layer not in read)
    return ConvChain(Cell(1, 2 * last + 1, tuple(edges), loose), stem_stride=size.stem_stride)


def _enas_macro(size: Size) -> LayerGraph:
    layers, channels = Layers(), size.channels
    outputs = [layers.add(0, Conv(3, 3, channels, (size.stem_stride,) * 2), Norm())]

    def merge(sources: str) -> None:
        """Mixes the newest output with earlier ones."""
        wanted = [outputs[int(source)] for source in sources.split()]
        if wanted:
            outputs[-1] = layers.add([*wanted, outputs[-1]], *relu_conv_norm(channels), merge="concat")

    for word in _ENAS_MACRO.split():
        if word == "P":
            channels *= 2
            outputs[:] = [layers.add(output, FactorizedReduce(channels), Norm()) for output in outputs]
            merge(_ENAS_MACRO_INPUTS_BEHIND_POOLING.get(len(outputs) - 1, ""))
        else:
            outputs.append(layers.add(outputs[-1], *relu_conv_norm(channels), *relu_conv_norm(channels, int(word))))
            merge(_ENAS_MACRO_INPUTS.get(len(outputs) - 1, ""))
    return layers.graph(outputs[-1], bias=False)


_FIRST = "filters of the first layer"
_ENAS = ZooNetwork(
    name="enas_macro",
    title="ENAS macro",
    row="ENAS + macro search space",
    paper="Pham et al. 2018, arXiv 1802.03268",
    build=_enas_macro,
    size=Size(96, 12),
    parameters=21_320_928,
    sources=(
        "figure 7 of the paper",
        "melodyguan/enas: src/cifar10/general_child.py, scripts/cifar10_macro_final.sh, issues 18, 56, 93",
    ),
    layers_are="layers",
    least=12,
    also_counted=("idle",),
    millions=21.3,
    error=4.23,
    open=(
        "The figure does not say where the inputs of a pooling or classifier box are merged: three readings of it have "
        "21.0M to 21.4M. Boxes drawn as separable are full convolutions, as in the authors' code for a fixed "
        "architecture and as the count demands. 93,312 of the weights are in reductions of outputs that nothing reads. "
        "The 24 layers in the released script are another network, of 42.6M."
    ),
)

CHAINS = (
    ZooNetwork(
        name="metaqnn_top1",
        title="MetaQNN",
        row="Macro NAS + Q-Learning",
        paper="Baker et al. 2017, arXiv 1611.02167, table A2",
        build=_metaqnn,
        size=Size(512, 7),
        parameters=11_263_754,
        sources=("bowenbaker/metaqnn: static/baker_et_al_reinforcement_networks_iclr_final.pdf, static/prototxt",),
        channels_are=_FIRST,
        layers_are="convolutions",
        least=7,
        millions=11.2,
        error=6.92,
        open=(
            "The appendix prints 11.26M, the table of results 11.2M. The printed counts of all five networks follow "
            "from poolings to floor((s - k + 1) / stride); usual poolings without padding would give 11,309,834."
        ),
    ),
    ZooNetwork(
        name="eas_plain_cnn",
        title="EAS, plain network",
        row="Net Transformation",
        paper="Cai et al. 2017, arXiv 1707.04873 version 1",
        build=_eas,
        size=Size(192, 15),
        parameters=19_703_498,
        sources=("han-cai/EAS at commit e004a51: model/top_net2/config, code/tf_network/layers.py",),
        channels_are=_FIRST,
        layers_are="convolutions",
        least=15,
        millions=19.7,
        error=5.70,
    ),
    ZooNetwork(
        name="nas_v1_figure7",
        title="NAS v1",
        row="",
        paper="Zoph & Le 2017, arXiv 1611.01578, figure 7",
        build=_nas_v1,
        size=Size(36, 15),
        parameters=4_201_630,
        sources=("figure 7 of the paper", "a PyTorch port named NASCNN15"),
        channels_are=_FIRST,
        layers_are="convolutions",
        least=15,
        millions=4.2,
        error=5.50,
        open="The skip connections are a port's; the drawing's lines were not traced one by one, but the count agrees.",
    ),
    _ENAS,
    replace(
        _ENAS,
        name="enas_macro_more_channels",
        title="ENAS macro, more channels",
        row="ENAS + macro search space + more channels",
        size=Size(128, 12),
        parameters=37_889_664,
        millions=38.0,
        error=3.87,
        open=(
            "The reading of ENAS macro's figure that gives 21.3M there gives 37.9M here; one that gives 38.0M here "
            "gives 21.4M there. The width is the paper's: 512 filters in the highest layers."
        ),
    ),
)
