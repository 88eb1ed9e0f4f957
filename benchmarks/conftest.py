"""What every benchmark may rely on: a quiet TensorFlow with oneDNN's kernels, as the runs have it."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
