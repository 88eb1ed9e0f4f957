"""What every test may rely on: TensorFlow quiet and with the kernels that runs use; no shared fixture made twice."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps tests that share a module's fixture on one worker, or each worker would make it anew."""
    for item in items:
        if not isinstance(item, pytest.Function) or item.get_closest_marker("xdist_group"):
            continue
        fixtures = [found for name in item.fixturenames for found in item._fixtureinfo.name2fixturedefs.get(name, ())]
        if any(fixture.scope == "module" for fixture in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
