"""A conditional model with its condition put in: the four tasks for p(x | y)."""

from typing import Any

from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.base import AutoregressiveModel


class Given(AutoregressiveModel):
    """p(x | y) for a fixed y: samples, scores and learns like any autoregressive model.

    Args:
        model: The conditional model, whose ``conditionals`` and ``step`` take y as their last
            argument; its weights are shared, not copied.
        condition: y, one row for every example or a single row for all of them.

    Accuracy:
        Exact for the model's own distribution.
    """

    any_length = True

    def __init__(self, model: AutoregressiveModel, condition: Float[Tensor, "rows *axes"]):
        super().__init__(model.num_variables, model.head)
        self.to(condition.device)
        self.model = model
        self.condition = condition

    def conditionals(
        self, x: Shaped[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length params"]:
        """Return the parameters of every p(x_t | x_{<t}, y)."""
        return self.model.conditionals(x, self._rows(len(x)))

    def start(self, num_samples: int) -> Any:
        """Return the cache of ``num_samples`` signals, and how many they are."""
        return self.model.start(num_samples), self._rows(num_samples)

    def step(
        self, cache: Any, last: Shaped[Tensor, " samples"] | None
    ) -> tuple[Float[Tensor, "samples params"], Any]:
        """Return the parameters of p(x_t | x_{<t}, y) and the cache that knows ``last``."""
        inner, condition = cache
        params, inner = self.model.step(inner, last, condition)
        return params, (inner, condition)

    def _rows(self, batch: int) -> Tensor:
        rows = len(self.condition)
        if rows not in (1, batch):
            raise ArgumentError(f"condition: expected 1 row or {batch}, got {rows}")
        return self.condition.expand(batch, *self.condition.shape[1:])
