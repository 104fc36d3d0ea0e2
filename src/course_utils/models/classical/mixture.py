r"""The Gaussian mixture: a hidden class k with probability π_k, then x from that class's Gaussian.

    p(x) = Σ_k π_k N(x; μ_k, Σ_k).

Which class an example came from is answered by Bayes' rule. Its *responsibilities* are

    r_k(x) = p(k | x) = π_k N(x; μ_k, Σ_k) / Σ_j π_j N(x; μ_j, Σ_j),

K numbers that sum to one; the sum below has K terms, however many dimensions x has. With the
responsibilities of all examples held fixed the best parameters are weighted averages: shares,
means and covariances. Computing the two in turn is expectation maximisation.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import check_probabilities, sample_categorical
from course_utils.models.classical.em import Ascent, ascend
from course_utils.tasks import absent


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Model p(x) = Σ_k π_k N(x; μ_k, Σ_k) in any number of dimensions.

    Args:
        weights: π_k ≥ 0, sum 1.
        means: μ_k.
        covariances: Σ_k, symmetric positive definite.

    Raises:
        ArgumentError: The shapes do not fit, the weights are no probabilities, or a covariance is
            not positive definite.
    """

    weights: Float[Tensor, " components"]
    means: Float[Tensor, "components dim"]
    covariances: Float[Tensor, "components dim dim"]

    def __post_init__(self) -> None:
        check_tensor("means", self.means, shape=("components", "dim"), dtype="float")
        count, dim = self.means.shape
        same = {"device": self.means.device, "dtype": self.means.dtype}
        check_tensor("weights", self.weights, shape=(count,), **same)
        check_probabilities("weights", self.weights)
        check_tensor("covariances", self.covariances, shape=(count, dim, dim), **same)
        factors, failed = torch.linalg.cholesky_ex(self.covariances)
        lopsided = not torch.allclose(self.covariances, self.covariances.mT)
        if lopsided or bool(failed.any()):
            raise ArgumentError(
                "covariances: expected positive definite matrices, got one that is not"
            )
        object.__setattr__(self, "_factors", factors)

    @property
    def num_components(self) -> int:
        """Number K of hidden classes."""
        return len(self.weights)

    def component_log_prob(
        self, x: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch components"]:
        """Log density log N(x; μ_k, Σ_k) under every component, in nats.

        Accuracy:
            Exact; with Σ_k = L_k L_kᵀ, from the whitened vector L_k⁻¹ (x − μ_k).
        """
        dim = self.means.shape[1]
        check_tensor("x", x, shape=("batch", dim), dtype="float", device=self.means.device)
        identity = torch.eye(dim).to(self.means).expand_as(self._factors)
        whitening = torch.linalg.solve_triangular(self._factors, identity, upper=False)
        centres = whitening @ self.means.unsqueeze(-1)
        far = (whitening @ x.mT - centres).square().sum(1).mT
        log_det = self._factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -0.5 * far - log_det - 0.5 * dim * math.log(2 * math.pi)

    def log_joint(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch components"]:
        """log p(k, x) = log π_k + log N(x; μ_k, Σ_k) in nats.

        Accuracy:
            Exact.
        """
        return self.component_log_prob(x) + self.weights.log()

    def log_prob(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """log p(x) = log Σ_k π_k N(x; μ_k, Σ_k) in nats per example, of either sign.

        Accuracy:
            Exact: K terms.
        """
        return self.log_joint(x).logsumexp(-1)

    def posterior(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch components"]:
        """Responsibilities r_k = p(k | x), non-negative, summing to one over the last axis.

        Accuracy:
            Exact, also far from all means, where every density is zero in floating point.
        """
        return self.log_joint(x).softmax(-1)

    def elbo(
        self, x: Float[Tensor, "batch dim"], q: Float[Tensor, "batch components"]
    ) -> Float[Tensor, " batch"]:
        r"""Bound F(q, θ) = Σ_k q_k (log p(k, x) − log q_k) = log p(x) − KL(q ‖ p(k | x)).

        Args:
            x: Examples.
            q: A law over the components for each of them.

        Returns:
            Nats per example, at most ``log_prob(x)``, with equality for q = ``posterior(x)``.

        Accuracy:
            Exact value of the bound.

        Source:
            [neal1998view].
        """
        check_tensor("q", q, shape=(len(x), self.num_components), dtype="float")
        check_probabilities("q", q)
        joint = torch.where(q > 0, q * self.log_joint(x), 0.0)
        return (joint + torch.special.entr(q)).sum(-1)

    def sample(
        self,
        num_samples: int,
        *,
        condition: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "samples dim"]:
        """Draw examples, of the whole mixture or, with ``condition``, of component k.

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
    ) -> tuple[Float[Tensor, "samples dim"], Int[Tensor, " samples"]]:
        """As ``sample``, with each example's component beside it: first k ~ π, then x given k."""
        check_int("num_samples", num_samples, low=1)
        if condition is None:
            logits = self.weights.log().expand(num_samples, -1)
            index = sample_categorical(logits, generator)
        else:
            check_int("condition", condition, low=0, high=self.num_components - 1)
            index = torch.full((num_samples,), condition, device=self.means.device)
        noise = torch.empty_like(self.means[index]).normal_(generator=generator)
        moved = (self._factors[index] @ noise.unsqueeze(-1)).squeeze(-1)
        return self.means[index] + moved, index

    loss = absent(
        "learn",
        "its likelihood is raised by expectation maximisation, fit_mixture(x, ...).",
        "the chapter on latent variables (week 0)",
    )


def maximise(
    x: Float[Tensor, "batch dim"],
    responsibilities: Float[Tensor, "batch components"],
    *,
    tied: bool = False,
    ridge: float = 0.0,
) -> GaussianMixture:
    r"""M-step: the mixture that maximises Σ_n Σ_k r_nk log p(k, x_n).

    With N_k = Σ_n r_nk: π_k = N_k / N, μ_k = Σ_n r_nk x_n / N_k and
    Σ_k = Σ_n r_nk (x_n − μ_k)(x_n − μ_k)ᵀ / N_k. With one-hot rows it is maximum likelihood from
    labelled data.

    Args:
        x: Examples.
        responsibilities: r_nk, rows that sum to one; every component needs some weight.
        tied: One covariance Σ_k π_k Σ_k for all components.
        ridge: A number ≥ 0 added to every variance. It keeps a covariance from collapsing onto
            fewer points than dimensions; with it the step no longer maximises exactly.

    Raises:
        ArgumentError: A component has no weight, or a covariance is singular.

    Accuracy:
        Exact maximiser for ``ridge=0``.

    Source:
        [dempster1977maximum], [bishop2006pattern].
    """
    check_tensor("x", x, shape=("batch", "dim"), dtype="float")
    check_tensor("responsibilities", responsibilities, shape=(len(x), "components"), dtype="float")
    check_probabilities("responsibilities", responsibilities)
    check_number("ridge", ridge, low=0)
    counts = responsibilities.sum(0)
    if bool((counts <= 0).any()):
        raise ArgumentError("responsibilities: expected weight on every component, got none on one")
    shares = responsibilities.mT / counts.unsqueeze(-1)
    means = shares @ x
    centred = x - means.unsqueeze(1)
    covariances = (shares.unsqueeze(-1) * centred).mT @ centred
    weights = counts / len(x)
    if tied:
        pooled = torch.einsum("k,kij->ij", weights, covariances)
        covariances = pooled.expand_as(covariances)
    covariances = (covariances + covariances.mT) / 2 + ridge * torch.eye(x.shape[1]).to(x)
    return GaussianMixture(weights, means, covariances)


def mixture_step(
    model: GaussianMixture,
    x: Float[Tensor, "batch dim"],
    *,
    tied: bool = False,
    ridge: float = 0.0,
) -> tuple[GaussianMixture, Float[Tensor, ""]]:
    """One E-step and one M-step, and the mean log-likelihood of the model that was given.

    Returns:
        The next model, and (1/N) Σ_n log p(x_n) of ``model`` in nats per example.

    Accuracy:
        Exact; for ``ridge=0`` the next model's likelihood is not lower.

    Source:
        [dempster1977maximum].
    """
    joint = model.log_joint(x)
    value = joint.logsumexp(-1, keepdim=True)
    return maximise(x, (joint - value).exp(), tied=tied, ridge=ridge), value.mean()


def fit_mixture(
    x: Float[Tensor, "batch dim"],
    start: int | GaussianMixture,
    *,
    num_steps: int = 100,
    tolerance: float = 0.0,
    tied: bool = False,
    ridge: float = 0.0,
    generator: torch.Generator | None = None,
) -> Ascent[GaussianMixture]:
    """Fit a Gaussian mixture by expectation maximisation.

    Args:
        x: Examples.
        start: A mixture, or a number K: then the means start at K different examples, with the
            covariance of all data and equal weights.
        num_steps: Steps at most.
        tolerance: Stop after a step that gains less than this, nats per example.
        tied: One covariance for all components.
        ridge: Added to every variance, see ``maximise``.
        generator: Chooses the K examples.

    Returns:
        The last model and the log-likelihood of every model on the way.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        A stationary point of the likelihood, which depends on the start.
    """
    check_tensor("x", x, shape=("batch", "dim"), dtype="float")
    if not isinstance(start, GaussianMixture):
        check_int("start", start, low=1, high=len(x))
        chosen = torch.randperm(len(x), generator=generator, device=x.device)[:start]
        covariance = torch.cov(x.mT, correction=0).reshape(x.shape[1], x.shape[1])
        covariance = covariance + ridge * torch.eye(x.shape[1]).to(x)
        weights = x.new_full((start,), 1 / start)
        start = GaussianMixture(weights, x[chosen], covariance.expand(start, -1, -1))

    def step(model: GaussianMixture) -> tuple[GaussianMixture, Tensor]:
        return mixture_step(model, x, tied=tied, ridge=ridge)

    return ascend(start, step, num_steps=num_steps, tolerance=tolerance)
