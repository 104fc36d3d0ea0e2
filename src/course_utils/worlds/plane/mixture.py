"""Gaussian mixtures in the plane, the family in which every question has a closed answer.

Noise added to a Gaussian gives a Gaussian, so a noised mixture is again a mixture: its density,
its score function and the best denoiser are known at every noise level. Mixtures of many narrow
Gaussians laid along curves (see ``curves``) give shapes that look nothing like a Gaussian and
keep all of this.
"""

import functools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import (
    categorical_entropy,
    check_probabilities,
    sample_categorical,
)
from course_utils.tasks import nothing_to_learn


@dataclass(frozen=True, eq=False)
class PlaneMixture:
    """World p(x) = Σ_k w_k N(x; μ_k, Σ_k) over points x of the plane.

    Args:
        means: μ_k.
        covariances: Σ_k, symmetric positive definite.
        weights: w_k ≥ 0, sum 1.
        branches: b_k in 0 … B−1, which curve (moon, arm, ring) Gaussian k belongs to; without it
            every Gaussian is a branch of its own.

    Raises:
        ArgumentError: If the shapes do not fit together, a covariance is not positive definite,
            or the weights are not probabilities.
    """

    means: Float[Tensor, "components 2"]
    covariances: Float[Tensor, "components 2 2"]
    weights: Float[Tensor, " components"]
    branches: Int[Tensor, " components"] | None = None

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        check_tensor("means", self.means, shape=("components", 2), dtype="float")
        count, device, dtype = len(self.means), self.means.device, self.means.dtype
        if self.branches is None:
            object.__setattr__(self, "branches", torch.arange(count, device=device))
        same = {"device": device, "dtype": dtype}
        check_tensor("covariances", self.covariances, shape=(count, 2, 2), **same)
        check_tensor("weights", self.weights, shape=(count,), **same)
        check_probabilities("weights", self.weights)
        check_tensor(
            "branches", self.branches, shape=(count,), dtype="integer", device=device, low=0
        )
        lopsided = not torch.allclose(self.covariances, self.covariances.mT)
        if lopsided or bool(torch.linalg.cholesky_ex(self.covariances).info.any()):
            raise ArgumentError(
                "covariances: expected positive definite matrices, got one that is not"
            )

    @property
    def num_branches(self) -> int:
        """Number B of curves."""
        return int(self.branches.max()) + 1

    def noised(self, sigma: float) -> "PlaneMixture":
        """The world of x + sigma · ε, ε ~ N(0, I): same means, covariances Σ_k + sigma² I."""
        check_number("sigma", sigma, low=0)
        covariances = self.covariances + sigma**2 * torch.eye(2).to(self.covariances)
        return PlaneMixture(self.means, covariances, self.weights, self.branches)

    def component_log_prob(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch components"]:
        """Log density log N(x; μ_k, Σ_k) under every Gaussian k, in nats per point."""
        log_det = self._whitening.diagonal(dim1=-2, dim2=-1).log().sum(-1).to(x.dtype)
        return log_det - 0.5 * self._whitened(x).square().sum(-1) - math.log(2 * math.pi)

    def log_prob(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        """Log density log p(x) = log Σ_k w_k N(x; μ_k, Σ_k).

        Args:
            x: Points, in the world's precision or another.

        Returns:
            Nats per point, of either sign.

        Accuracy:
            Exact.
        """
        return self._joint_log_prob(x).logsumexp(-1)

    def posterior(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch components"]:
        """Posterior p(k | x) over the Gaussians; sums to one over the last axis.

        Accuracy:
            Exact.
        """
        return self._joint_log_prob(x).softmax(-1)

    def branch_posterior(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch branches"]:
        """Posterior p(b | x) over the curves: the best possible classifier of a point.

        Accuracy:
            Exact: the posterior over Gaussians summed over those of one curve.
        """
        posterior = self.posterior(x)
        table = posterior.new_zeros(len(x), self.num_branches)
        return table.index_add(1, self.branches, posterior)

    def score_function(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Score ∇ log p(x) = Σ_k p(k | x) Σ_k⁻¹ (μ_k − x).

        For the score at noise level sigma ask ``noised(sigma)``.

        Returns:
            Gradient of the log density, nats per unit of length.

        Accuracy:
            Exact.
        """
        whitening = self._whitening.to(x.dtype)
        pull = -torch.einsum("kij,bki->bkj", whitening, self._whitened(x))
        return torch.einsum("bk,bkj->bj", self.posterior(x), pull)

    def denoiser(self, x: Float[Tensor, "batch 2"], sigma: float) -> Float[Tensor, "batch 2"]:
        """Best denoiser E[x_data | x] = Σ_k p_sigma(k | x) (μ_k + G_k (x − μ_k)).

        The gain is G_k = Σ_k (Σ_k + sigma² I)⁻¹, and p_sigma the world at noise level sigma.

        Each Gaussian alone would move x towards its mean, the more so the noisier x is; the
        posterior weighs their answers. Tweedie's formula says the same with
        the score: E[x_data | x] = x + sigma² ∇ log p_sigma(x).

        Args:
            x: Noisy points x = x_data + sigma · ε, with x_data from this world.
            sigma: Standard deviation of that noise, ≥ 0.

        Returns:
            Points with the smallest expected squared error to x_data any function can reach.

        Accuracy:
            Exact.

        Source:
            [robbins1956empirical].
        """
        noisy = self.noised(sigma)
        gain = (self.covariances @ noisy._whitening.mT @ noisy._whitening).to(x.dtype)
        means = self.means.to(x.dtype)
        answers = means + torch.einsum("kij,bkj->bki", gain, x.unsqueeze(1) - means)
        return torch.einsum("bk,bki->bi", noisy.posterior(x), answers)

    def sample(
        self,
        num_samples: int,
        *,
        condition: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "num_samples 2"]:
        """Draw points, from the whole mixture or from one of its curves.

        Args:
            num_samples: How many.
            condition: A branch b in 0 … B−1.
            generator: Source of randomness on the device of the means.

        Accuracy:
            Exact.
        """
        return self.sample_with_index(num_samples, condition=condition, generator=generator)[0]

    def sample_with_index(
        self,
        num_samples: int,
        *,
        condition: int | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "num_samples 2"], Int[Tensor, " num_samples"]]:
        """As ``sample``, with the number k of each point's Gaussian beside it.

        ``world.branches[k]`` is then the point's curve, a class label.
        """
        check_int("num_samples", num_samples, low=1)
        logits = self.weights.log()
        if condition is not None:
            check_int("condition", condition, low=0, high=self.num_branches - 1)
            logits = logits.masked_fill(self.branches != condition, -math.inf)
        index = sample_categorical(logits.expand(num_samples, -1), generator)
        noise = torch.empty_like(self.means[index]).normal_(generator=generator)
        factor = torch.linalg.cholesky(self.covariances)[index]
        return self.means[index] + torch.einsum("bij,bj->bi", factor, noise), index

    def entropy(
        self, num_samples: int = 4000, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Differential entropy H(x) = H(k) + H(x | k) − H(k | x) with its standard error.

        The first two terms are closed forms; only H(k | x), the doubt about the Gaussian that a
        point leaves, is an average over samples. Without overlap it is zero.

        Args:
            num_samples: Points drawn for H(k | x), at least 2.
            generator: Source of randomness on the device of the means.

        Returns:
            Estimate and standard error, nats per point.

        Accuracy:
            Estimate, unbiased.
        """
        check_int("num_samples", num_samples, low=2)
        x = self.sample(num_samples, generator=generator)
        left = categorical_entropy(self._joint_log_prob(x).log_softmax(-1))
        each = math.log(2 * math.pi * math.e) + 0.5 * torch.logdet(self.covariances)
        known = categorical_entropy(self.weights.log()) + self.weights @ each
        return known - left.mean(), left.std() / math.sqrt(num_samples)

    @functools.cached_property
    def _whitening(self) -> Tensor:
        """W_k = L_k⁻¹ with Σ_k = L_k L_kᵀ, so that W_k (x − μ_k) is standard normal."""
        identity = torch.eye(2).to(self.covariances).expand_as(self.covariances)
        factor = torch.linalg.cholesky(self.covariances)
        return torch.linalg.solve_triangular(factor, identity, upper=False)

    def _whitened(self, x: Tensor) -> Tensor:
        check_tensor("x", x, shape=("batch", 2), dtype="float", device=self.means.device)
        centred = x.unsqueeze(1) - self.means.to(x.dtype)
        return torch.einsum("kij,bkj->bki", self._whitening.to(x.dtype), centred)

    def _joint_log_prob(self, x: Tensor) -> Tensor:
        return self.component_log_prob(x) + self.weights.log().to(x.dtype)
