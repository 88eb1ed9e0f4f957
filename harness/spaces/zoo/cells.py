"""Networks of published cells; :mod:`harness.spaces.zoo.notation` explains the notation."""

from __future__ import annotations

from dataclasses import replace

from harness.core.space import Size
from harness.spaces.darts import CellSpace
from harness.spaces.zoo.entry import ZooNetwork
from harness.spaces.zoo.notation import cell, coded, stack

_SLIM = "tensorflow/models: research/slim/nets/nasnet/nasnet.py, nasnet_utils.py"
_NAO_PYTORCH = "renqianluo/NAO_pytorch: NAO_V1/model.py, operations.py and the training scripts"
_ENAS_PAPER = "Pham et al. 2018, arXiv 1802.03268"
_NASNET_PAPER = "Zoph et al. 2018, arXiv 1707.07012"
_NAO_PAPER = "Luo et al. 2018, arXiv 1808.07233"
_DARTS_PAPER = "Liu, Simonyan, Yang: DARTS: Differentiable Architecture Search, ICLR 2019, arXiv 1806.09055"

_SPACE = CellSpace()
_V1 = _SPACE.from_edges(
    normal=[
        *[("sep_conv_3x3", 1), ("sep_conv_3x3", 0)],
        *[("skip_connect", 0), ("sep_conv_3x3", 1)],
        *[("skip_connect", 0), ("sep_conv_3x3", 1)],
        *[("sep_conv_3x3", 0), ("skip_connect", 2)],
    ],
    reduction=[
        *[("max_pool_3x3", 0), ("max_pool_3x3", 1)],
        *[("skip_connect", 2), ("max_pool_3x3", 0)],
        *[("max_pool_3x3", 0), ("skip_connect", 2)],
        *[("skip_connect", 2), ("avg_pool_3x3", 0)],
    ],
)
_V2 = _SPACE.from_edges(
    normal=[
        *[("sep_conv_3x3", 0), ("sep_conv_3x3", 1)],
        *[("sep_conv_3x3", 0), ("sep_conv_3x3", 1)],
        *[("sep_conv_3x3", 1), ("skip_connect", 0)],
        *[("skip_connect", 0), ("dil_conv_3x3", 2)],
    ],
    reduction=[
        *[("max_pool_3x3", 0), ("max_pool_3x3", 1)],
        *[("skip_connect", 2), ("max_pool_3x3", 1)],
        *[("max_pool_3x3", 0), ("skip_connect", 2)],
        *[("skip_connect", 2), ("max_pool_3x3", 1)],
    ],
)

DARTS_V1 = ZooNetwork(
    name="darts_v1",
    title="DARTS, first order",
    row="",
    paper=_DARTS_PAPER,
    build=lambda size: _SPACE.decode(_V1, size),
    size=Size(36, 20),
    parameters=3_169_414,
    sources=("quark0/darts: cnn/genotypes.py, cnn/model.py",),
    millions=3.3,
    error=3.00,
    open="The paper prints 3.3M for both orders; the released network of the first order has 3.2M.",
    genotype=_V1,
)
DARTS_V2 = replace(
    DARTS_V1,
    name="darts_v2",
    title="DARTS, second order",
    build=lambda size: _SPACE.decode(_V2, size),
    parameters=3_349_342,
    error=2.76,
    open="",
    genotype=_V2,
)

_NASNET_NORMAL = "sep5 1, sep3 0; sep5 0, sep3 0; avg3 1, id 0; avg3 0, avg3 0; sep3 1, id 1"
_NASNET_REDUCTION = "sep5 1, sep7 0; max3 1, sep7 0; avg3 1, sep5 0; id 3, avg3 2; sep3 2, max3 1"
_NASNET_A = ZooNetwork(
    name="nasnet_a",
    title="NASNet-A",
    row="NASNet-A",
    paper=_NASNET_PAPER,
    build=stack(cell(_NASNET_NORMAL, (0, 2, 3, 4, 5, 6)), cell(_NASNET_REDUCTION, (3, 4, 5, 6)), "nasnet"),
    size=Size(32, 20),
    parameters=3_346_538,
    sources=(_SLIM, "johannesu/NASNet-keras: nasnet_test.py (3.3M without the auxiliary head)"),
    millions=3.3,
    error=3.41,
)
_PNASNET = cell("sep5 0, max3 0; sep7 1, max3 1; sep5 1, sep3 1; sep3 4, max3 1; sep3 0, id 1", range(2, 7))

_NAO_OPEN = (
    "Neither of the authors' two programs has the printed count: {} weights in TensorFlow, {} in PyTorch, which is "
    "followed here. The error is the PyTorch repository's, with cutout."
)
_NAONET_A = ZooNetwork(
    name="naonet_a_36",
    title="NAONet-A, 36 filters",
    row="",
    paper=_NAO_PAPER,
    build=stack(
        coded("0 7 1 15  2 8 1 7  0 6 1 7  0 8 4 7  1 5 0 7"),
        coded("0 7 1 13  0 6 0 14  0 9 1 10  0 14 2 6  1 11 0 7"),
        "nao",
    ),
    size=Size(36, 20),
    parameters=11_470_150,
    sources=(_NAO_PYTORCH, "renqianluo/NAO: NAO/cnn/dag.py, model.py"),
    millions=10.6,
    error=2.48,
    open=_NAO_OPEN.format("11,523,214", "11,470,150"),
)

CELLS = (
    ZooNetwork(
        name="enas_micro",
        title="ENAS micro",
        row="ENAS + micro search space",
        paper=_ENAS_PAPER,
        build=stack(
            coded("0 2 0 0  0 4 0 1  0 4 1 1  1 0 0 1  0 2 1 1"),
            coded("1 0 1 0  0 3 0 2  1 1 3 1  1 0 0 4  0 3 1 1"),
            "enas",
        ),
        size=Size(36, 20),
        parameters=4_587_372,
        sources=("melodyguan/enas: scripts/cifar10_micro_final.sh, src/cifar10/micro_child.py",),
        millions=4.6,
        error=3.54,
        open="The released script builds 17 cells, which have 3.9M; 20 cells, as here, have the published count.",
    ),
    ZooNetwork(
        name="pnasnet5_cifar",
        title="PNASNet-5",
        row="Progressive NAS",
        paper="Liu C. et al. 2018, arXiv 1712.00559",
        build=stack(_PNASNET, _PNASNET, "nasnet"),
        size=Size(48, 9),
        parameters=3_189_082,
        sources=("chenxi116/PNASNet.TF: cell.py, pnasnet.py", "chenxi116/PNASNet.pytorch: issue 1", _SLIM),
        millions=3.2,
        error=3.63,
        open="The released code is for ImageNet; 9 cells of 48 filters are from the paper and confirmed by the count.",
    ),
    _NASNET_A,
    replace(
        _NASNET_A, name="nasnet_a_cutout", title="NASNet-A, cutout", row="NASNet-A + CutOut", error=2.65, cutout=True
    ),
    DARTS_V1,
    DARTS_V2,
    ZooNetwork(
        name="amoebanet_a",
        title="AmoebaNet-A",
        row="",
        paper="Real et al. 2018, arXiv 1802.01548",
        build=stack(
            cell("avg3 0, max3 1; sep3 0, sep5 2; sep3 0, avg3 3; sep3 1, id 1; id 0, avg3 1", (4, 5, 6)),
            cell("avg3 0, sep3 1; max3 0, sep7 2; sep7 0, avg3 1; max3 0, max3 1; conv1x7 0, sep3 5", (3, 4, 6)),
            "nasnet",
        ),
        size=Size(36, 20),
        parameters=3_155_950,
        sources=("quark0/darts: cnn/genotypes.py", "renqianluo/NAO: NAO/cnn/dag.py"),
        millions=3.2,
        error=3.34,
        open=(
            "The cell is read from DARTS' transcription; NAO's differs from it and has 3,159,910 weights. The authors' "
            "own code is for ImageNet; the network around the cell is NASNet-A's."
        ),
    ),
    ZooNetwork(
        name="nasnet_a_darts_transcription",
        title="NASNet-A as transcribed by DARTS",
        row="",
        paper=_DARTS_PAPER,
        build=stack(cell(_NASNET_NORMAL, range(2, 7)), cell(_NASNET_REDUCTION, (4, 5, 6)), "darts"),
        size=Size(36, 20),
        parameters=3_830_950,
        sources=("quark0/darts: cnn/genotypes.py",),
        open="The normal cell's output lacks the cell's first input and the reduction cell's a node, which NASNet has.",
    ),
    _NAONET_A,
    replace(
        _NAONET_A,
        name="naonet_a_128",
        title="NAONet-A, 128 filters",
        size=Size(128, 20),
        parameters=144_576_394,
        millions=128.0,
        error=1.93,
        open=_NAO_OPEN.format("145,247,882", "144,576,394"),
    ),
    ZooNetwork(
        name="nao_ws",
        title="NAO-WS",
        row="",
        paper=_NAO_PAPER,
        build=stack(
            coded("0 1 0 4  2 2 1 3  1 0 2 0  2 3 1 3  1 2 0 4"),
            coded("1 1 0 3  2 3 2 3  1 0 0 1  0 4 2 4  2 3 2 3"),
            "enas",
        ),
        size=Size(36, 17),
        parameters=2_466_252,
        sources=("renqianluo/NAO: NAO-WS/cnn/train_final.sh, model.py",),
        millions=2.5,
        error=3.50,
    ),
    ZooNetwork(
        name="naonet_b_36_pytorch",
        title="NAONet-B, 36 filters",
        row="",
        paper=_NAO_PAPER,
        build=stack(
            coded("0 1 0 2  0 1 2 2  1 3 0 2  4 0 1 3  2 1 0 3"),
            coded("1 1 1 0  2 1 2 4  1 0 2 3  3 1 2 2  0 2 0 2"),
            "nao",
        ),
        size=Size(36, 20),
        parameters=2_921_302,
        sources=(_NAO_PYTORCH,),
        error=2.93,
    ),
)
