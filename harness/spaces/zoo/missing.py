"""Networks of the published table whose definition was never published."""

from __future__ import annotations

from harness.spaces.zoo.entry import NeverPublished

_NAS = "Zoph & Le 2017, arXiv 1611.01578"
_NAS_WHY = (
    "The paper describes it in words only: 13 layers, each a block of 3, poolings at layers 13 and 24. Sizes, widths "
    "and skip connections of the 39 layers are not given."
)

MISSING = (
    NeverPublished(
        name="budgeted_super_network",
        title="Budgeted super network",
        row="Budgeted Super Nets",
        paper="Veniat & Denoyer 2017, arXiv 1706.00046",
        why=(
            "The sub-network behind the printed error was drawn from learned edge probabilities; neither its edges nor "
            "which super network it was drawn from are in the paper or in the authors' repository."
        ),
        error=9.21,
    ),
    NeverPublished(
        name="smashv2",
        title="SMASHv2",
        row="SMASH",
        paper="Brock et al. 2018, arXiv 1708.05344",
        why="A random sample ranked by the hypernetwork; the file that holds it was not released.",
        millions=16.0,
        error=4.03,
    ),
    NeverPublished(name="nas_v3", title="NAS v3", row="NAS", paper=_NAS, why=_NAS_WHY, millions=7.1, error=4.47),
    NeverPublished(
        name="nas_v3_more_filters",
        title="NAS v3, more filters",
        row="NAS + more filters",
        paper=_NAS,
        why=f"{_NAS_WHY} This one has 40 more filters in every layer.",
        millions=37.4,
        error=3.65,
    ),
    NeverPublished(
        name="block_qnn",
        title="Block-QNN",
        row="Micro NAS + Q-Learning",
        paper="Zhong et al. 2018, arXiv 1708.05552",
        why="The best block is only drawn in the paper; no published code is known.",
        error=3.60,
    ),
)
