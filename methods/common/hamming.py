"""The kernel of ``gp``: how similar two architectures are, as scikit-learn wants it.

Importing this module imports scikit-learn; the method does so inside ``search``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import Kernel, NormalizedKernelMixin, StationaryKernelMixin

Numbers = NDArray[np.float64]


class HammingKernel(StationaryKernelMixin, NormalizedKernelMixin, Kernel):
    """k(a, b) = exp(-d / length), where d is the share of the choices in which a and b differ.

    Positive definite: it is the product over the choices of a constant for "equal" and a smaller one for "different".

    Args:
        length: the share at which the correlation has fallen to 1/e; fixed.
    """

    def __init__(self, length: float) -> None:
        self.length = length

    def __call__(self, X: Numbers, Y: Numbers | None = None) -> Numbers:
        """Correlations of the rows of picks in ``X`` with those in ``Y``, or with each other: ``(m, n)``."""
        return np.exp(-cdist(X, X if Y is None else Y, "hamming") / self.length)
