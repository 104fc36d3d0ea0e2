r"""A hierarchy of latent vectors in which everything is known: linear maps, Gaussian noise.

    z_L = ε_L,    z_l = W_{l+1} z_{l+1} + σ_l ε_l,    x = W_1 z_1 + b + σ_0 ε_0,    ε ~ N(0, I).

The levels are stacked, bottom first: z = (z_1, …, z_L). Since z = C ε with a triangular C, the
hierarchy is a linear-Gaussian model with the latent vector ε = (ε_1, …, ε_L), which is how Rezende
and co-workers [rezende2014stochastic] write a *deep latent Gaussian model*: all randomness enters
as independent noise, level by level. Density and posterior follow from that model.

The bound of a ``LinearChain`` splits into one term per level. In a chain from the top down each
term is an averaged divergence, hence not negative; in one from the bottom up it is not.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import (
    ArgumentError,
    check_int,
    check_number,
    check_tensor,
)
from course_utils.gaussians import Gaussian
from course_utils.models.latent.base import BoundTerms
from course_utils.models.latent.linear_chain import LinearChain, level_blocks
from course_utils.models.latent.linear_gaussian import LinearGaussian
from course_utils.tasks import absent


@dataclass(frozen=True)
class LinearHierarchy:
    """Model of L levels, z_l = W_{l+1} z_{l+1} + σ_l ε_l and x = W_1 z_1 + b + σ_0 ε_0.

    Args:
        weights: W_1, …, W_L: W_1 has axes ``(dim, d_1)``, W_l has ``(d_{l-1}, d_l)``.
        noises: σ_0, …, σ_{L-1} > 0; the top level is standard normal.
        bias: b, axis ``dim``.

    Raises:
        ArgumentError: The shapes do not fit or a noise is not positive.

    Source:
        [rezende2014stochastic].
    """

    weights: tuple[Float[Tensor, "_ _"], ...]
    noises: tuple[float, ...]
    bias: Float[Tensor, " dim"]

    def __post_init__(self) -> None:
        check_int("number of weights", len(self.weights), low=1)
        if len(self.noises) != len(self.weights):
            raise ArgumentError(
                f"noises: expected one for each of {len(self.weights)} weights, "
                f"got {len(self.noises)}"
            )
        below: int | str = len(self.bias)
        for weight in self.weights:
            check_tensor("weights", weight, shape=(below, "above"), dtype="float")
            below = weight.shape[1]
        for noise in self.noises:
            check_number("noises", noise, low=0, open_low=True)

    @classmethod
    def random(
        cls,
        dim: int,
        latent_dims: Sequence[int],
        noise: float,
        generator: torch.Generator | None = None,
    ) -> "LinearHierarchy":
        """A hierarchy with standard normal W and b and the same σ_l everywhere, in float64."""
        sizes = [check_int("dim", dim, low=1)]
        sizes += [check_int("latent_dims", size, low=1) for size in latent_dims]
        device = generator.device if generator is not None else None
        shapes = [*itertools.pairwise(sizes), (dim,)]
        drawn = [
            torch.empty(shape, dtype=torch.float64, device=device).normal_(generator=generator)
            for shape in shapes
        ]
        return cls(tuple(drawn[:-1]), (noise,) * (len(drawn) - 1), drawn[-1])

    @classmethod
    def tree(
        cls, branches: Sequence[int], noises: Sequence[float], loading: float = 1.0
    ) -> "LinearHierarchy":
        """A tree of numbers, in float64: every node is a weakened copy of its parent, plus noise.

        Args:
            branches: Children of each node, bottom first: ``(3, 4)`` is a root with 4 children
                that have 3 leaves each, so x has 12 coordinates.
            noises: σ_0, …, σ_{L-1}, one for each entry of ``branches``.
            loading: The factor between parent and child.
        """
        check_number("loading", loading)
        counts = [1]
        for number in reversed(branches):
            counts.append(counts[-1] * check_int("branches", number, low=1))
        counts.reverse()
        weights = [
            loading * torch.eye(above, dtype=torch.float64).repeat_interleave(below // above, 0)
            for below, above in itertools.pairwise(counts)
        ]
        return cls(tuple(weights), tuple(noises), torch.zeros(counts[0], dtype=torch.float64))

    @property
    def latent_dims(self) -> tuple[int, ...]:
        """Sizes of the levels, bottom first."""
        return tuple(weight.shape[1] for weight in self.weights)

    @property
    def noise_weight(self) -> Float[Tensor, "latent latent"]:
        """The matrix C of z = C ε, from the noise of all levels to all levels."""
        stds = (*self.noises[1:], 1.0)
        dims = self.latent_dims
        rows: list[Tensor] = []
        above = self.bias.new_zeros(0, sum(dims))
        for level in reversed(range(len(dims))):
            before, after = sum(dims[:level]), sum(dims[level + 1 :])
            own = stds[level] * torch.eye(dims[level]).to(self.bias)
            row = torch.nn.functional.pad(own, (before, after))
            if level + 1 < len(dims):
                row = row + self.weights[level + 1] @ above
            rows.insert(0, row)
            above = row
        return torch.cat(rows)

    @property
    def noise_model(self) -> LinearGaussian:
        """The hierarchy as a deep latent Gaussian model: x = W_1 (C ε)_1 + b + σ_0 ε_0.

        Its latent vector is the noise ε = (ε_1, …, ε_L), standard normal.
        """
        lowest = self.noise_weight[: self.latent_dims[0]]
        return LinearGaussian(self.weights[0] @ lowest, self.bias, self.noises[0])

    @property
    def one_level(self) -> LinearGaussian:
        """A model with the same density of x, only as many latents as level 1, and no level above.

        With Cov z_1 = V = L Lᵀ it has the weights W_1 L.
        """
        lowest = self.noise_weight[: self.latent_dims[0]]
        factor = torch.linalg.cholesky(lowest @ lowest.mT)
        return LinearGaussian(self.weights[0] @ factor, self.bias, self.noises[0])

    def log_prob(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """log p(x), the Gaussian density of W_1 Cov(z_1) W_1ᵀ + σ_0² I around b, in nats.

        Accuracy:
            Exact.
        """
        return self.noise_model.log_prob(x)

    def posterior(self, x: Float[Tensor, "batch dim"]) -> Gaussian:
        """The law p(z | x) of all levels, stacked with the lowest first.

        Accuracy:
            Exact.
        """
        noise, weight = self.noise_model.posterior(x), self.noise_weight
        covariance = weight @ noise.covariance @ weight.mT
        return Gaussian(noise.mean @ weight.mT, (covariance + covariance.mT) / 2)

    def log_joint(
        self, x: Float[Tensor, "batch dim"], z: Float[Tensor, "samples batch latent"]
    ) -> Float[Tensor, "samples batch"]:
        """log p(x, z) = log p(x | z_1) + Σ_l log p(z_l | z_{l+1}) in nats.

        Accuracy:
            Exact.
        """
        check_tensor("z", z, shape=("samples", "batch", sum(self.latent_dims)), dtype="float")
        levels = [x, *z.split(self.latent_dims, -1)]
        total = -0.5 * _square(levels[-1]) - 0.5 * self.latent_dims[-1] * math.log(2 * math.pi)
        for below, above, weight, noise in zip(
            levels, levels[1:], self.weights, self.noises, strict=False
        ):
            mean = above @ weight.mT + (self.bias if below is x else 0.0)
            constant = len(weight) * math.log(noise * math.sqrt(2 * math.pi))
            total = total - 0.5 * _square(below - mean) / noise**2 - constant
        return total

    def bound_terms(self, x: Float[Tensor, "batch dim"], chain: LinearChain) -> BoundTerms:
        r"""The bound of a chain q(z | x), level by level and in closed form.

        ``log_likelihood`` is E_q log p(x | z_1), with one "sample"; ``rate`` has one column for
        each level, lowest first: E_q[log q(z_l | ·) − log p(z_l | z_{l+1})].

        Returns:
            Nats per example. In a top-down chain every rate is an averaged divergence, ≥ 0. In a
            bottom-up chain a rate below the top may be negative. The ``elbo`` is the same.

        Accuracy:
            Exact.

        Source:
            [rezende2014stochastic], [sonderby2016ladder].
        """
        if chain.dims != self.latent_dims:
            raise ArgumentError(f"chain: expected levels {self.latent_dims}, got {chain.dims}")
        means = chain.law.mean.split(self.latent_dims, -1)
        blocks = level_blocks(chain.law.covariance, self.latent_dims)
        weight, noise = self.weights[0], self.noises[0]
        spread = (weight @ blocks[0][0] * weight).sum()
        seen = _expected_log_density(x - self.bias - means[0] @ weight.mT, spread, noise)
        rates = []
        entropies = chain.conditional_entropies()
        for level, mean in enumerate(means):
            spread, noise = blocks[level][level].diagonal().sum(), 1.0
            if level + 1 < len(means):
                weight, noise = self.weights[level + 1], self.noises[level + 1]
                mean = mean - means[level + 1] @ weight.mT
                spread = spread - 2 * (weight * blocks[level][level + 1]).sum()
                spread = spread + (weight @ blocks[level + 1][level + 1] * weight).sum()
            rates.append(-entropies[level] - _expected_log_density(mean, spread, noise))
        return BoundTerms(seen.unsqueeze(0), torch.stack(rates, -1))

    def sample(
        self,
        num_samples: int,
        *,
        condition: Float[Tensor, "samples latent"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "samples dim"]:
        """Draw x; with ``condition``, from x = W_1 z_1 + b + σ_0 ε_0 given all levels.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        size = sum(self.latent_dims)
        if condition is None:
            noise = self.bias.new_empty(num_samples, size).normal_(generator=generator)
            condition = noise @ self.noise_weight.mT
        check_tensor("condition", condition, shape=(num_samples, size), dtype="float")
        clean = condition[:, : self.latent_dims[0]] @ self.weights[0].mT + self.bias
        return clean + self.noises[0] * torch.empty_like(clean).normal_(generator=generator)

    loss = absent(
        "learn",
        "its parameters are given; HierarchicalVAE and LadderVAE learn theirs.",
        "the chapter on hierarchies of latent variables (week 4)",
    )


def _square(x: Tensor) -> Tensor:
    return x.square().sum(-1)


def _expected_log_density(mean: Tensor, spread: Tensor, noise: float) -> Tensor:
    """E log N(y; 0, noise² I) for y with the given mean and trace of its covariance."""
    constant = mean.shape[-1] * math.log(noise * math.sqrt(2 * math.pi))
    return -0.5 * (_square(mean) + spread) / noise**2 - constant
