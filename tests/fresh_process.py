"""Runs a function of a test module in a fresh, deterministic process.

Operations can only be made deterministic before TensorFlow has computed anything; without it, sums over several threads
differ in the last bit from run to run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def in_fresh_process(module: str, call: str) -> None:
    """Evaluates ``call`` (an expression) inside ``module``; whatever it raises fails the test, with its traceback."""
    code = (
        "import tensorflow as tf; tf.config.experimental.enable_op_determinism(); "
        f"import {module} as module; module.{call}"
    )
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
