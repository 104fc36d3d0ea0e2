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
from course_utils.worlds.plane.noise import NoisyPlane, truncated_normal


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

    def noised(self, sigma: float) -> "Checkerboard | NoisyCheckerboard":
        """The world of x + sigma · ε, ε ~ N(0, I): a density without edges."""
        sigma = check_number("sigma", sigma, low=0)
        return NoisyCheckerboard(self, sigma) if sigma > 0 else self

    def denoiser(self, x: Float[Tensor, "batch 2"], sigma: float) -> Float[Tensor, "batch 2"]:
        """Best denoiser E[x_data | x], a mean of means of truncated normals.

        Args:
            x: Noisy points x = x_data + sigma · ε, with x_data from this world.
            sigma: Standard deviation of that noise, > 0, or 0, which leaves x as it is.

        Returns:
            Points with the smallest expected squared error to x_data any function can reach.

        Raises:
            ArgumentError: If sigma is 0 and a point lies outside the squares.

        Accuracy:
            Exact.
        """
        if check_number("sigma", sigma, low=0) == 0:
            self._occupied(x)
            return x
        return x + NoisyCheckerboard(self, sigma).mean_shift(x)

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


@dataclass(frozen=True, eq=False)
class NoisyCheckerboard(NoisyPlane):
    """World of x = x_data + σ ε with x_data from the checkerboard ``clean``.

    Given its square, x_data has two independent uniform coordinates, so that with the normal
    distribution function Φ and the corners l, h of square k

    p_σ(x) = (1/A) Σ_k Π_i [Φ((h_ki − x_i) / σ) − Φ((l_ki − x_i) / σ)].
    """

    clean: Checkerboard

    def log_prob(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        """Log density log p_σ(x).

        Returns:
            Nats per point, finite at any distance from the board.

        Accuracy:
            Exact.
        """
        return self._squares(x)[0].logsumexp(-1) - self.clean._log_area

    def posterior(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch squares"]:
        """Posterior p(square | x), in the order of ``clean.squares``.

        Accuracy:
            Exact.
        """
        return self._squares(x)[0].softmax(-1)

    def mean_shift(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Mean shift s(x) = Σ_k p(k | x) σ E[u | u between (l_k − x) / σ and (h_k − x) / σ].

        Here u is standard normal, truncated to the square in each coordinate.

        Accuracy:
            Exact.
        """
        log_masses, means = self._squares(x)
        return self.sigma * torch.einsum("bk,bki->bi", log_masses.softmax(-1), means)

    def _squares(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Log mass of every square under N(x, σ² I), and the mean of (x_data − x) / σ in it."""
        squares = self.clean.squares
        check_tensor("x", x, shape=("batch", 2), dtype="float", device=squares.device)
        low, high = squares.to(x.dtype)
        middle = ((low + high) / 2 - x.unsqueeze(1)) / self.sigma
        log_mass, mean = truncated_normal(middle, ((high - low) / self.sigma).expand_as(middle))
        return log_mass.sum(-1), mean
