"""Profiles: frozen sets of budget, recipes and limits, printed on every table.

A profile is what makes two rows comparable: the same search budget, the same proxy task, the same final training.
Whoever changes the numbers of a profile gives up its comparability with older records; the planner refuses to mix them.
"""

from __future__ import annotations

from dataclasses import replace

from harness.core.budget import Budget
from harness.core.home import folder
from harness.core.names import one_of
from harness.core.recipe import Recipe
from harness.core.space import Size
from harness.run.profile import UNLIMITED, Profile

_SMALL_SPACES = (
    *(("cell", "cell-3"), ("enas_cell", "enas_cell-3"), ("macro", "macro-6"), ("chain", "chain-6")),
    *(("nasnet", "nasnet-3"), ("pnas", "pnas-3"), ("qchain", "qchain-6"), ("block", "block-5")),
    *(("nao_cell", "nao_cell-3"), ("hierarchical", "hierarchical-3")),
    *(("morph", "morph-3"), ("eas", "eas-3"), ("fabric", "fabric-4"), ("smash", "smash-3")),
)
_TINY_SPACES = (
    *(("cell", "cell-2"), ("enas_cell", "enas_cell-2"), ("macro", "macro-4"), ("chain", "chain-4")),
    *(("nasnet", "nasnet-2"), ("pnas", "pnas-2"), ("qchain", "qchain-4"), ("block", "block-3")),
    *(("nao_cell", "nao_cell-2"), ("hierarchical", "hierarchical-2")),
    *(("morph", "morph-2"), ("eas", "eas-2"), ("fabric", "fabric-3"), ("smash", "smash-2")),
)

SMOKE = Profile(
    name="smoke",
    summary="counted and exactly repeatable, seconds per method on tiny images and spaces: does everything work?",
    budget=Budget(40, "steps"),
    proxy=Recipe(size=Size(channels=8, layers=3, stem_stride=2), steps=8, batch=32, learning_rate=0.05),
    final=Recipe(size=Size(channels=8, layers=3, stem_stride=2), steps=60, batch=32, learning_rate=0.1),
    spaces=_TINY_SPACES,
    datasets=("toy",),
    seeds=(0,),
    search_seconds=600,
    final_seconds=600,
    memory=8,
)

QUICK = Profile(
    name="quick",
    summary="counted, the same anywhere: about a minute of search and half of one of final training: a first look",
    # A minute of one AVX-512 core for the median of the methods: in the 60 s of the table of Fashion-MNIST of commit
    # a708059 they evaluated 16 to 52 networks, which is 1.6e11 (evolution, cells) to 1.3e12 (MetaQNN, whose plain
    # convolutions are fast) multiply-accumulates at the mean of their spaces; the median is 3.1e11. Networks that are
    # written down instead of traced take less: some 50 s in cell-3 and 40 s in nasbench201.
    budget=Budget(3e11, "macs"),
    # A proxy training sees no image twice, so there is nothing for augmentation to do.
    proxy=Recipe(
        size=Size(channels=8, layers=5, stem_stride=2),
        steps=50,
        batch=64,
        learning_rate=0.08,
        augment=False,
        validation_images=1000,
    ),
    final=Recipe(
        size=Size(channels=16, layers=5, stem_stride=2),
        steps=UNLIMITED,
        # 25,000 images, 391 gradient steps: 3 to 40 s of that core for random networks of the spaces. `all` trains
        # every method's proposal and two zero lines per space. Ten epochs told networks apart no better: over five
        # random networks each of cell-3, nasbench201 and macro-6, judged by 10,000 training images of Fashion-MNIST
        # that were kept out, two trainings of a network correlated with 0.91 after five epochs and 0.72 after ten.
        epochs=5,
        train_images=5_000,
        seconds=3600,
        batch=64,
        learning_rate=0.08,
        warmup=0.05,
        augment=False,
    ),
    spaces=_SMALL_SPACES,
    datasets=("fashion_mnist",),
    seeds=(0,),
    search_seconds=3600,
    final_seconds=2 * 3600,
    memory=8,
    # On photographs of 64x64 pixels the budget would buy a fourth of the networks: too few to search among.
    side=32,
    equal_seconds=60,
)

HOUR = Profile(
    name="hour",
    summary="twenty minutes of search and three epochs (about forty on a core) per method: differences begin to show",
    budget=Budget(20 * 60, "s"),
    # NAS-RL's reward is the best of the last five validations.
    proxy=Recipe(
        size=Size(channels=12, layers=5, stem_stride=2),
        steps=300,
        batch=64,
        learning_rate=0.05,
        validations=5,
        validation_images=1000,
    ),
    final=Recipe(
        size=Size(channels=24, layers=8),
        steps=UNLIMITED,
        epochs=3,
        seconds=5 * 3600,
        batch=64,
        learning_rate=0.05,
        warmup=0.02,
        cutout=True,
        drop_path=0.1,
    ),
    spaces=(),
    datasets=("fashion_mnist", "cifar10"),
    seeds=(0, 1, 2),
    search_seconds=3600,
    final_seconds=6 * 3600,
    memory=16,
    equal_seconds=40 * 60,
)

PUBLISHED = Profile(
    name="published",
    summary="the protocol of the published table for GPUs: two days of search, 600 epochs of retraining, three repeats",
    budget=Budget(2 * 86400, "s"),
    # One validation per epoch of CIFAR-10, because NAS-RL's reward is the best of the last five.
    proxy=Recipe(
        size=Size(channels=16, layers=8), steps=18_000, batch=64, learning_rate=0.025, cutout=True, validations=25
    ),
    final=Recipe(
        size=Size(channels=36, layers=20),
        steps=UNLIMITED,
        epochs=600,
        seconds=4 * 86400,
        batch=96,
        learning_rate=0.025,
        cutout=True,
        drop_path=0.2,
        auxiliary=0.4,
    ),
    spaces=(),
    datasets=("cifar10", "cifar100"),
    seeds=(0, 1, 2),
    search_seconds=3 * 86400,
    final_seconds=5 * 86400,
    equal_seconds=2 * 86400,
    memory=64,
    channels=(("macro", 36, 96),),
)

TABULATE = Profile(
    name="tabulate",
    summary="counted: trainings that are short enough to make a table of a small space, 20 core seconds each",
    budget=Budget(50, "evals"),
    # The signal. It sees no image twice. Four validations, so that a part of the training can be asked for.
    proxy=Recipe(
        size=Size(channels=8, layers=3, stem_stride=2),
        steps=100,
        batch=64,
        learning_rate=0.08,
        augment=False,
        validations=4,
        validation_images=2000,
    ),
    # The score. On one core of a Xeon with AVX-512 both take 15 to 22 s on Fashion-MNIST.
    final=Recipe(
        size=Size(channels=8, layers=3, stem_stride=2),
        steps=700,
        batch=64,
        learning_rate=0.08,
        warmup=0.05,
        augment=False,
    ),
    spaces=_SMALL_SPACES,
    datasets=("fashion_mnist",),
    seeds=(0, 1),
    search_seconds=3600,
    final_seconds=3600,
    memory=8,
    side=32,
)

NB201 = Profile(
    name="nb201",
    summary="NAS-Bench-201's own comparison, looked up: 12,000 s of 12-epoch trainings on CIFAR-10, nothing is trained",
    budget=Budget(12_000, "s"),
    # How the records behind the table were trained: 25,000 images in batches of 256.
    proxy=Recipe(size=Size(channels=16, layers=15), steps=12 * 98, batch=256, weight_decay=5e-4),
    final=Recipe(size=Size(channels=16, layers=15), steps=200 * 196, batch=256, weight_decay=5e-4),
    spaces=(),
    datasets=("nasbench201/cifar10", "nasbench201/cifar100", "nasbench201/imagenet16-120"),
    seeds=tuple(range(20)),
    search_seconds=600,
    final_seconds=600,
    memory=4,
    column="cifar10-12",
)

NB201_OWN = replace(
    NB201,
    name="nb201-own",
    summary="as nb201, but each data set is searched with its own 12-epoch accuracy, for 20,000 s",
    budget=Budget(20_000, "s"),
    column="12",
    like="nb201",
)

NB201_FULL = replace(
    NB201_OWN,
    name="nb201-full",
    summary="as nb201-own, but the search is told the accuracy of the full 200-epoch trainings and pays for them",
    budget=Budget(200_000, "s"),
    proxy=replace(NB201.proxy, steps=200 * 98),
    column="200",
)

NB201_WEIGHTS = replace(
    NB201,
    name="nb201-weights",
    summary="methods that share weights, on CIFAR-10: small supernets of NAS-Bench-201's cell, cells found looked up",
    # About a minute of one AVX-512 core: 2,240 steps of `rs_ws`, 375 of DARTS. The authors' searches are 1e15 and more.
    budget=Budget(5e11, "macs"),
    datasets=("nasbench201/cifar10",),
    seeds=(0, 1, 2),
    search_seconds=3600,
    memory=8,
    # The authors' have 16 channels, five cells in each of three stages, and a stem of stride 1, which would leave DARTS
    # a fifth of the steps in the same time.
    supernet=Size(channels=8, layers=3, stem_stride=2),
)

OWN_TABLES = tuple(f"tables/{path.stem}" for path in sorted(folder("results/tabulated").glob("*.csv")))
"""The project's own tables, as data sets: those of which the file is there."""

TABLE = replace(
    NB201,
    name="table",
    summary="tables made by `tabulate`, looked up: 50 evaluations per search, no images are needed",
    budget=Budget(50, "evals"),
    proxy=TABULATE.proxy,
    final=TABULATE.final,
    datasets=OWN_TABLES,
    seeds=tuple(range(200)),
    column="validation",
    # CPU seconds of a search: autokeras and gp 0.3, nasnet 0.2, bohb, es and metaqnn 0.05, nao 3, pnas 2. The others
    # take a hundredth or two; those that train weights, or average predictions, say that there are none.
    few=(
        *((name, 100) for name in ("bohb", "es", "metaqnn")),
        *((name, 50) for name in ("gp", "nasnet", "transfer")),
        ("autokeras", 25),
        ("pnas", 15),  # thirteen that differ can be told from the best of sixteen methods
        *((name, 5) for name in ("bsn", "darts", "eas", "enas_macro", "enas_micro", "fabrics", "gdas")),
        *((name, 5) for name in ("morphism_bo", "nao", "nao_ws", "nes_re", "nes_rs", "one_shot")),
        *((name, 5) for name in ("rs_ws", "setn", "smash")),
    ),
)

_ALL = (SMOKE, QUICK, HOUR, PUBLISHED, TABULATE, TABLE, NB201, NB201_OWN, NB201_FULL, NB201_WEIGHTS)
PROFILES = {profile.name: profile for profile in _ALL}


def get_profile(name: str) -> Profile:
    """The profile with this name.

    Raises:
        InputError: there is none.
    """
    return PROFILES[one_of("profile", name, PROFILES)]
