"""From a table to tensors: missing values and categories on the way in (数据预处理)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import Tensor, tensor

Column = Sequence[Any]


@dataclass(frozen=True)
class TableEncoder:
    """What was learnt from the training rows: of numbers mean and spread, of categories their values.

    `fit` takes a pandas DataFrame or a dictionary of columns. A missing number (None or nan) becomes the mean, so 0 once
    standardised; a category becomes one column for each value and one for "missing" (one-hot), as pandas'
    `get_dummies(dummy_na=True)` has it; a value not seen before has zeros in all of them.
    """

    numbers: dict[str, tuple[float, float]]  # name -> mean, standard deviation
    categories: dict[str, list[str]]  # name -> values, sorted

    @classmethod
    def fit(cls, table: Mapping[str, Column]) -> TableEncoder:
        """ValueError for a column of numbers in which every value is missing."""
        numbers, categories = {}, {}
        for name in table:
            values = list(table[name])
            present = [v for v in values if not missing(v)]
            if all(isinstance(v, int | float | np.number | np.bool_) for v in present):
                if not present:
                    raise ValueError(f"TableEncoder: column {name!r} has no value at all")
                numbers[str(name)] = float(np.mean(present)), float(np.std(present)) or 1.0
            else:
                categories[str(name)] = sorted({str(v) for v in present})
        return cls(numbers, categories)

    @property
    def columns(self) -> list[str]:
        """The names of the columns of the tensor: numbers first, then name_value and name_nan of each category."""
        of_categories = [f"{name}_{v}" for name, values in self.categories.items() for v in [*values, "nan"]]
        return [*self.numbers, *of_categories]

    def __call__(self, table: Mapping[str, Column]) -> Tensor:
        """float32 (rows, len(columns)). KeyError for a column that is missing."""
        encoded = []
        for name, (mean, spread) in self.numbers.items():
            encoded.append([0.0 if missing(v) else (float(v) - mean) / spread for v in table[name]])
        for name, values in self.categories.items():
            given = ["nan" if missing(v) else str(v) for v in table[name]]
            encoded += [[float(v == value) for v in given] for value in [*values, "nan"]]
        return tensor(np.array(encoded, np.float32).T)


def missing(value: Any) -> bool:
    """None, nan and what else is not equal to itself, such as pandas' NaT."""
    return value is None or bool(value != value)
