"""Array type of all sound and spectra: float32 NumPy arrays. Docstrings give the shapes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
