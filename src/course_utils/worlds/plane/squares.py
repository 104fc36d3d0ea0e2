"""The checkerboard: uniform on every other square, hence a density with edges.

Inside a square nothing pulls anywhere and outside there is no density at all, which is why models
built on smooth maps or on scores find it hard.
"""

import functools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.tasks import nothing_to_learn


@dataclass(frozen=True)
class Checkerboard:
    """World p(x) = 1 / A on the squares (i, j) with i + j even, of total area A.

    Args:
        num_rows: Squares along each side of the board, n ≥ 1; the world has S = ⌈n²/2⌉ of them.
        half_side: The board is [−half_side, half_side)², > 0.
        device: Where the world lives.
        dtype: Its precision; PyTorch's default if not given.
    """

    num_rows: int = 4
    half_side: float = 4.0
    device: torch.device | str | None = None
    dtype: torch.dtype | None = None

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        check_int("num_rows", self.num_rows, low=1)
        check_number("half_side", self.half_side, low=0, open_low=True)

    @functools.cached_property
    def squares(self) -> Float[Tensor, "2 squares 2"]:
        """Lower left and upper right corner of every square, column by column.

        A square contains its lower and left edge and not the two others.
        """
        edges = torch.linspace(
            -self.half_side,
            self.half_side,
            self.num_rows + 1,
            device=self.device,
            dtype=self.dtype,
        )
        rows = torch.arange(self.num_rows, device=self.device)
        cells = torch.cartesian_prod(rows, rows)
        cells = cells[cells.sum(-1) % 2 == 0]
        return torch.stack([edges[cells], edges[cells + 1]])

    def log_prob(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        """Log density log p(x) = −log A on the squares, −∞ elsewhere.

        Returns:
            Nats per point.

        Accuracy:
            Exact.
        """
        inside = self._inside(x).any(-1)
        return x.new_full((len(x),), -math.inf).masked_fill(inside, -self._log_area)

    def entropy(self) -> Float[Tensor, ""]:
        """Differential entropy H = log A, the logarithm of the area covered.

        Returns:
            Nats per point.

        Accuracy:
            Exact.
        """
        return self.squares.new_tensor(self._log_area)

    def score_function(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Score ∇ log p(x) = 0, inside the squares.

        Returns:
            Zeros.

        Raises:
            ArgumentError: If a point lies outside, where the density has no logarithm.

        Accuracy:
            Exact in the interior of the squares; on an edge there is no gradient.
        """
        self._occupied(x)
        return torch.zeros_like(x)

    def posterior(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch squares"]:
        """Posterior p(square | x): one for the square that holds x, zero for the others.

        Raises:
            ArgumentError: If a point lies outside the squares.

        Accuracy:
            Exact.
        """
        return self._occupied(x).to(x.dtype)

    def sample(
        self,
        num_samples: int,
        *,
        condition: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "num_samples 2"]:
        """Draw points uniformly, from all squares or from one.

        Args:
            num_samples: How many.
            condition: Number of a square, 0 … S−1, in the order of ``squares``.
            generator: Source of randomness on the world's device.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        low, high = self.squares
        if condition is None:
            index = torch.randint(len(low), (num_samples,), generator=generator, device=low.device)
        else:
            check_int("condition", condition, low=0, high=len(low) - 1)
            index = torch.full((num_samples,), condition, device=low.device)
        low, high = low[index], high[index]
        x = low + (high - low) * torch.empty_like(low).uniform_(generator=generator)
        return torch.minimum(x, torch.nextafter(high, low))  # rounding may reach the open edge

    @property
    def _log_area(self) -> float:
        side = 2 * self.half_side / self.num_rows
        return math.log(self.squares.shape[1] * side**2)

    def _inside(self, x: Tensor) -> Tensor:
        """Whether each point lies in each square, axes (point, square)."""
        check_tensor("x", x, shape=("batch", 2), dtype="float", device=self.squares.device)
        low, high = self.squares.to(x.dtype)
        x = x.unsqueeze(1)
        return ((x >= low) & (x < high)).all(-1)

    def _occupied(self, x: Tensor) -> Tensor:
        inside = self._inside(x)
        missed = int((~inside.any(-1)).sum())
        if missed:
            raise ArgumentError(f"x: expected points on the squares, got {missed} of {len(x)} off")
        return inside
