"""What a slider runs through, and how its values are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int

Values = Sequence[Any] | np.ndarray | Tensor
"""What a slider goes through."""


@dataclass(frozen=True)
class Slider:
    """One parameter of a figure and the values it takes.

    Attributes:
        label: What the slider changes, in words.
        values: What it runs through, in this order; arrays and tensors become lists of numbers.
        unit: Shown and read out after each value, such as ``nats`` or ``%``.
        start: Index of the value shown first.
        between: Whether a live figure may also draw numbers between the smallest and the largest
            value. Whole numbers stay whole; values that are no numbers have nothing between them.

    Raises:
        ArgumentError: No label, no values, or a start outside them.
    """

    label: str
    values: Values
    unit: str = ""
    start: int = 0
    between: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label.strip():
            raise ArgumentError(f"label: expected what the slider changes, got {self.label!r}")
        values = self.values.tolist() if hasattr(self.values, "tolist") else self.values
        if not isinstance(values, Sequence):
            raise ArgumentError(f"values: expected a sequence, got {type(values).__name__}")
        if len(values) == 0:
            raise ArgumentError("values: expected at least one value, got none")
        object.__setattr__(self, "values", tuple(values))
        check_int("start", self.start, low=0, high=len(values) - 1)

    def text(self, value: Any) -> str:
        """A value as a reader sees and hears it: four significant digits, then the unit."""
        whole = isinstance(value, Integral) or not isinstance(value, Real)
        shown = str(value) if whole else f"{float(value):.4g}"
        return f"{shown} {self.unit}" if self.unit else shown

    @property
    def texts(self) -> list[str]:
        """The text of every value, in order."""
        return [self.text(value) for value in self.values]

    @property
    def is_continuous(self) -> bool:
        """Whether there is something to draw between the values."""
        numbers = all(isinstance(v, Real) and not isinstance(v, bool) for v in self.values)
        return self.between and numbers and min(self.values) < max(self.values)

    @property
    def is_whole(self) -> bool:
        """Whether all values are whole numbers."""
        return all(isinstance(value, Integral) for value in self.values)
