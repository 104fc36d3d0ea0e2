"""Models of p(x | y), and one of them with its condition put in: the four tasks for a fixed y."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.nets.gated import Shifts


class Given(AutoregressiveModel):
    """p(x | y) for a fixed y: samples, scores and learns like any autoregressive model.

    Args:
        model: The conditional model, whose ``conditionals`` and ``step`` take y as their last
            argument; its weights are shared, not copied.
        condition: y, one row for every example or a single row for all of them.

    Accuracy:
        Exact for the model's own distribution.
    """

    def __init__(self, model: AutoregressiveModel, condition: Float[Tensor, "rows *axes"]):
        super().__init__(model.num_variables, model.head)
        self.any_length = model.any_length
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


class ConditionalModel(AutoregressiveModel):
    """p(x | y) with a vector y, or p(x) where ``condition_dim`` is 0; asked through ``given``.

    Subclasses set ``condition_dim`` and ``shifts``, which is ``None`` for a model of p(x), and
    take y as the last argument of ``conditionals``.
    """

    condition_dim: int
    shifts: Shifts | None

    def given(self, condition: Float[Tensor, "..."]) -> Given:
        """Return the model p(x | y) for a fixed condition, which answers the four tasks.

        Args:
            condition: y, (rows, condition_dim) for a whole example or, where the model takes it,
                (rows, length, condition_dim) for every step; one row serves all examples.

        Raises:
            ArgumentError: The model has no condition, or the last axis has another size.
        """
        check_int("condition_dim of the model", self.condition_dim, low=1)
        check_tensor("condition", condition, shape=("...", self.condition_dim), dtype="float")
        return Given(self, condition)

    def loss(self, batch: Tensor | tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the mean of -log p(x), or of -log p(x | y) for a batch (x, y).

        Args:
            batch: Examples (batch, length), or the pair of examples and conditions.

        Returns:
            ``total`` in nats per example and ``nats_per_dim`` in nats per variable.
        """
        x, condition = batch if isinstance(batch, tuple) else (batch, None)
        self._check(x, values=x.device.type == "cpu")
        terms = -self.head.log_prob(self.conditionals(x, condition), x)
        return {"total": terms.sum(-1).mean(), "nats_per_dim": terms.mean()}

    def _shifts(self, condition: Tensor | None, num_layers: int) -> Sequence[Tensor | float]:
        """V_l y of every layer with the channels on axis 1; zeros in a model of p(x)."""
        if (condition is None) != (self.shifts is None):
            got = "none" if condition is None else "one"
            raise ArgumentError(
                f"condition: expected {'one, see given' if self.shifts else 'none'}, got {got}"
            )
        return (0.0,) * num_layers if condition is None else self.shifts(condition)
