"""Types of the numpy arrays that stand for columns."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Integers of any type; where no shape is given, of one dimension."""
Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
