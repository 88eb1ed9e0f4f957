"""Trains one network of a table with one seed, inside a process; neither methods nor test labels are here.

TensorFlow is imported inside the functions, after the limits of the process are set.
"""

from __future__ import annotations

import gc
import time
import traceback
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.budget import Meter
from harness.core.files import replacing
from harness.core.names import sentence
from harness.core.seeds import derive_seed
from harness.run.backends.base import Outcome, Tell
from harness.run.fence import Forbidden, fence
from harness.run.final import drawn
from harness.run.images import PreparedImages, final_data, search_data
from harness.run.job import Failure
from harness.run.profiles import Profile
from harness.run.store import read_json, write_json
from harness.spaces import get_space

if TYPE_CHECKING:
    from harness.core.dataset import SearchData
    from harness.core.space import Genotype
    from harness.nets.child import Shared
    from harness.nets.evaluator import ProxyEvaluator

SIGNAL, RESULT, LABELS = "signal.json", "result.json", "labels.npy"
WRITES = (SIGNAL, RESULT, LABELS)
"""What a training may leave in its directory. The result comes last: if it exists, the training is over."""


@dataclass(frozen=True)
class Entry:
    """One network with one seed.

    Args:
        space, genotype: of the network, by name and as text.
        seed: of split, weights and order of the images.
        profile: its recipes are what it is trained by.
        prepared: the images.
        directory: of its results.
        forbidden: what the process may not touch.
    """

    space: str
    genotype: str
    seed: int
    profile: Profile
    prepared: PreparedImages
    directory: Path
    forbidden: Forbidden


def train_entry(entry: Entry, tell: Tell) -> Outcome:
    """Trains for the signal and for the score; whatever goes wrong is one sentence."""
    try:
        _train(entry, tell)
    except Failure as error:
        return Outcome("failed", str(error))
    except MemoryError:
        return Outcome("failed", f"the training needs more than its {entry.profile.memory:g} GiB of memory")
    except Exception as error:
        traceback.print_exception(error)
        return Outcome("failed", f"the training raised {sentence(error)}")
    return Outcome("ok")


def _train(entry: Entry, tell: Tell) -> None:
    fence(entry.forbidden)
    _start()
    genotype = get_space(entry.space).parse(entry.genotype)
    stored = entry.directory / SIGNAL
    if not stored.exists():
        tell(0.0, "signal")
        write_json(stored, _signal(entry, genotype))
    signal = read_json(stored)
    write_json(entry.directory / RESULT, {**signal, **_score(entry, genotype, tell)})


@cache
def _start() -> None:
    """One thread per process: another number may change the last digits of sums."""
    from harness.nets import runtime

    runtime.start(threads=1, deterministic=True, seed=0)


@lru_cache(maxsize=1)  # the networks of a process have the same seed, one after the other
def _bench(prepared: PreparedImages, seed: int, profile: Profile, space: str) -> ProxyEvaluator:
    from harness.nets.evaluator import ProxyEvaluator

    data = search_data(prepared, seed)
    return ProxyEvaluator(get_space(space), data, profile.proxy_for(space), derive_seed(seed, "signal"))


def _signal(entry: Entry, genotype: Genotype) -> dict[str, Any]:
    """Validation accuracies of a proxy training, as a search would have it evaluated.

    Raises:
        Failure: there is none.
    """
    profile = entry.profile
    bench = _bench(entry.prepared, entry.seed, profile, entry.space)
    began = time.process_time()
    found = bench.evaluate(genotype, derive_seed(0, entry.genotype), Meter(profile.budget, bench.steps()))
    if found.failure:
        raise Failure(found.failure)
    return {"curve": found.curve, "signal_seconds": time.process_time() - began}


@lru_cache(maxsize=1)
def _all_images(prepared: PreparedImages, seed: int, profile: Profile, space: str) -> tuple[SearchData, Shared]:
    from harness.nets.child import Shared

    recipe = profile.final_for(space)
    data = drawn(final_data(prepared)[0], recipe.train_images, seed)
    return data, Shared(data, recipe)


def _score(entry: Entry, genotype: Genotype, tell: Tell) -> dict[str, Any]:
    """Stores what a network that was trained as for a final result takes the test images for.

    Raises:
        Failure: it cannot be trained.
    """
    from harness.nets import runtime, training
    from harness.nets.evaluator import network

    recipe = entry.profile.final_for(entry.space)
    data, shared = _all_images(entry.prepared, entry.seed, entry.profile, entry.space)
    seed = derive_seed(entry.seed, f"score of {entry.genotype}")
    before = entry.profile.proxy_for(entry.space).steps
    began = time.process_time()
    with runtime.graph_optimizer_off():
        model = network(genotype, get_space(entry.space), recipe, data, seed, shared)
        try:
            trained = training.train(
                model,
                data,
                recipe,
                seed=seed,
                on_step=lambda step, steps: tell((before + step) / (before + steps), f"step {step} of {steps}"),
            )
        except training.TrainingFailed as error:
            raise Failure(f"the training for the score failed: {error}") from error
        seconds = time.process_time() - began
        probabilities = training.predict(model, np.asarray(final_data(entry.prepared)[1]), data.mean, data.std)
    if not np.isfinite(probabilities).all():
        raise Failure("the training for the score diverged: the network's predictions are not finite")
    with replacing(entry.directory / LABELS) as new:
        np.save(new, probabilities.argmax(-1).astype(np.int32))
    del model
    gc.collect()
    return {
        "steps": trained.steps,
        "score_seconds": seconds,
        "images_per_second": trained.images_per_second,
    }
