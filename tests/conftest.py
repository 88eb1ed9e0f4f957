"""What every test may rely on: TensorFlow quiet, with the kernels and the thread of runs; the long files begin first.

A file's tests share a worker, because they share its fixtures and what it has traced. The contract of the methods is
spread by method instead. (The marks of ``--dist loadgroup`` would say the same, but pytest-xdist 3.8 loses them under
pytest 9.2.)
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

Report = TypeVar("Report", pytest.CollectReport, pytest.TestReport)

LONG = ("contract/test_every_method.py", "test_run_grid.py", "test_gate.py", "test_supernets_enas.py", "test_darts.py")
"""Files that take more than a minute."""
CONTRACT = f"tests/{LONG[0]}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option for environments that have everything that the tests they do can need."""
    parser.addoption("--no-skips", action="store_true", help="a test or a file that is skipped has failed")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport]:
    """Of a file whose import is skipped."""
    return _unless_allowed((yield), collector.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    """Of a test."""
    return _unless_allowed((yield), item.config)


def _unless_allowed(report: Report, config: pytest.Config) -> Report:
    if report.outcome == "skipped" and config.getoption("no_skips"):
        _, _, why = report.longrepr
        report.outcome, report.longrepr = "failed", f"{why} (--no-skips)"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the long files first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONG))


def pytest_collection_finish() -> None:
    """Takes what has been imported out of the garbage collector's way, as a run does.

    TensorFlow's modules are 330,000 objects, and a trace makes so many that they are visited all the time: it takes a
    third less without.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def untraced() -> Iterator[None]:
    """Operation by operation, without graphs: what is called a few times costs less than its trace."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Which tests stay together."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            return f"{file} {test.partition('[')[2].split('-')[-1]}" if file == CONTRACT else file

    return ByFile(config, log)
