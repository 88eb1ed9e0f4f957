"""TensorFlow in a fresh process: threads, memory growth, determinism."""

from __future__ import annotations

import contextlib
import gc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from harness.core.errors import InputError
from harness.core.files import readable
from harness.core.names import sentence
from harness.nets import depthwise, fast_layers, layers, norm  # noqa: F401 - Keras knows a layer once it is imported
from harness.nets.processor import has_graphics_card

OUT_OF_MEMORY = (tf.errors.ResourceExhaustedError, MemoryError)


def start(*, threads: int, deterministic: bool, seed: int, devices: int = 1) -> str:
    """Sets TensorFlow up; to be called once, before anything is computed.

    Args:
        threads: of one operation; operations run one after the other on the CPU, or as many at a time as ``devices``.
        deterministic: whether every operation must give the same bits each time, which costs speed.
        seed: of the global generators, for libraries that insist on them.
        devices: over which a training is spread. Without graphics cards they are parts of the CPU.

    Returns:
        The device, or the devices, that trainings run on, in words.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(devices)
    cards = tf.config.list_physical_devices("GPU")
    for card in cards:
        tf.config.experimental.set_memory_growth(card, True)
    if devices > 1 and not cards:
        [cpu] = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    # TensorFlow's modules are 330,000 objects that every collection would visit: 0.17 s after each proxy training.
    gc.collect()
    gc.freeze()
    if not cards:
        return "CPU"
    details = tf.config.experimental.get_device_details(cards[0])
    name = str(details.get("device_name", "GPU"))
    return f"{devices} x {name}" if devices > 1 else name


def check_cards(number: int) -> None:
    """Says before a search that its final training could not start.

    Raises:
        InputError: this process may use graphics cards, but not so many.
    """
    found = len(tf.config.list_physical_devices("GPU"))
    if 0 < found < number:
        raise InputError(f"TensorFlow finds {found} of the {number} graphics cards that the final training needs")


def forget() -> None:
    """Gives up the memory of models that are no longer used; a process that trains several calls it in between."""
    gc.collect()  # models and traced functions refer to each other in circles
    keras.utils.clear_session(free_memory=False)


def load(path: Path) -> keras.Model:
    """A model that was saved by this project, layers of its own included; not compiled.

    Raises:
        InputError: the file is damaged.
    """
    try:
        return _loaded(readable(path))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"{path} is no readable network ({sentence(error)}); move its directory away to run it again"
        ) from error


def _loaded(path: Path) -> keras.Model:
    return keras.models.load_model(path, compile=False)


def expect_large_graphs(*, wide: bool = False) -> None:
    """Switches the graph optimiser off, for the process of a supernet's search; to be called before any computation.

    On graphs of ten thousand nodes it takes longer than it gives back: 12.3 s instead of 6.5 s before the first DARTS
    step at the quick profile's size, and steps that are no faster (TensorFlow 2.21 on one CPU thread, when the graph
    had twice as many nodes). On a graphics card everything stays as it is.

    Args:
        wide: the graph has many operations that do not wait for each other, so that the threads share out operations
            instead of the parts of one. On two cores DARTS' step with 16 channels and 8 cells took 5.1 s instead of
            7.3 s when that was introduced, with the same numbers.
    """
    if has_graphics_card():
        return
    _switch_graph_optimizer(False)
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    if wide and threads > 1:  # else there is nothing to share out, or an earlier search of this process has done it
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.config.threading.set_intra_op_parallelism_threads(1)


@contextlib.contextmanager
def graph_optimizer_off() -> Iterator[None]:
    """Switches TensorFlow's graph optimiser off on a CPU, where it costs a short training more than it gives back.

    A cell network of 126 layers starts to train after 0.99 instead of 1.49 CPU seconds, and its steps, like those of a
    plain convolutional network, are no slower. On a graphics card its choice of memory layout matters: it stays on.
    """
    if has_graphics_card():
        yield
        return
    with _graph_optimizer(False):
        yield


def graph_optimizer_on() -> contextlib.AbstractContextManager[None]:
    """Switches it on, for networks that are timed as they will work; the search of a supernet has switched it off."""
    return _graph_optimizer(True)


@contextlib.contextmanager
def _graph_optimizer(on: bool) -> Iterator[None]:
    before = not tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    _switch_graph_optimizer(on)
    try:
        yield
    finally:
        _switch_graph_optimizer(before)


def _switch_graph_optimizer(on: bool) -> None:
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not on})
