r"""Factor analysis: a few hidden numbers, mapped linearly, and each coordinate's own noise.

    z ~ N(0, I_k),    x = W z + b + ε,    ε ~ N(0, diag ψ).

So x ~ N(b, W Wᵀ + diag ψ): what the coordinates share is in W, what each has for itself in ψ.
With M = I + Wᵀ Ψ⁻¹ W the posterior is N(M⁻¹ Wᵀ Ψ⁻¹ (x − b), M⁻¹). If all ψ are equal it is
probabilistic PCA (``models.latent.LinearGaussian``), which has a closed-form fit; with free ψ it
has none, and expectation maximisation is the method.

The data enter through their mean and covariance S only, so a step costs the same for any number
of examples.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.gaussians import Gaussian
from course_utils.models.classical.em import Ascent, ascend
from course_utils.tasks import absent


@dataclass(frozen=True)
class FactorAnalysis:
    """Model x = W z + b + ε with z standard normal and independent noise of variances ψ.

    Args:
        weight: W, the factor loadings.
        bias: b.
        noise_variances: ψ_i > 0 of each coordinate.

    Raises:
        ArgumentError: The shapes do not fit, or a variance is not positive.
    """

    weight: Float[Tensor, "dim latent"]
    bias: Float[Tensor, " dim"]
    noise_variances: Float[Tensor, " dim"]

    def __post_init__(self) -> None:
        check_tensor("weight", self.weight, shape=("dim", "latent"), dtype="float")
        shape = (len(self.weight),)
        check_tensor("bias", self.bias, shape=shape, dtype="float")
        check_tensor("noise_variances", self.noise_variances, shape=shape, dtype="float")
        if not bool((self.noise_variances > 0).all()):
            smallest = self.noise_variances.min().item()
            raise ArgumentError(f"noise_variances: expected numbers > 0, got {smallest}")

    @property
    def latent_dim(self) -> int:
        """Number k of factors."""
        return self.weight.shape[1]

    @property
    def marginal(self) -> Gaussian:
        """The law N(b, W Wᵀ + diag ψ) of x."""
        covariance = self.weight @ self.weight.mT + self.noise_variances.diag()
        return Gaussian(self.bias, covariance)

    def log_prob(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """log p(x) in nats per example.

        Accuracy:
            Exact.
        """
        return self.marginal.log_prob(x)

    def posterior(self, x: Float[Tensor, "batch dim"]) -> Gaussian:
        """The law p(z | x) = N(β (x − b), M⁻¹), β = M⁻¹ Wᵀ Ψ⁻¹; its covariance is that of all x.

        Accuracy:
            Exact.
        """
        gain, covariance = _gain(self)
        return Gaussian((x - self.bias) @ gain.mT, covariance)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Float[Tensor, "samples latent"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "samples dim"]:
        """Draw z, then x given z; with ``condition`` from p(x | z).

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        shape = (num_samples, self.latent_dim)
        if condition is None:
            condition = self.weight.new_empty(shape).normal_(generator=generator)
        check_tensor("condition", condition, shape=shape, dtype="float")
        clean = condition @ self.weight.mT + self.bias
        return clean + self.noise_variances.sqrt() * torch.empty_like(clean).normal_(
            generator=generator
        )

    loss = absent(
        "learn",
        "its likelihood is raised by expectation maximisation, fit_factor_analysis(x, ...).",
        "the chapter on few numbers behind many (week 0)",
    )


def factor_analysis_step(
    model: FactorAnalysis,
    covariance: Float[Tensor, "dim dim"],
    *,
    isotropic: bool = False,
    floor: float = 1e-9,
) -> tuple[FactorAnalysis, Float[Tensor, ""]]:
    r"""One E-step and one M-step, and the mean log-likelihood of the model that was given.

    With β and M of the posterior: E[x zᵀ] = S βᵀ and E[z zᵀ] = M⁻¹ + β S βᵀ, so

        W ← S βᵀ (M⁻¹ + β S βᵀ)⁻¹,    ψ ← diag(S − W β S).

    Args:
        model: The model now; its bias has to be the data's mean, which is where it stays.
        covariance: S of the data around their mean (divisor: their number).
        isotropic: One noise variance for all coordinates, their mean: probabilistic PCA.
        floor: Smallest noise variance allowed.

    Returns:
        The next model, and the mean log-likelihood of ``model``, nats per example.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact; above the floor the next model's likelihood is not lower.

    Source:
        [rubin1982em]; for equal noise [tipping1999probabilistic].
    """
    dim = len(model.bias)
    check_tensor("covariance", covariance, shape=(dim, dim), dtype="float")
    check_number("floor", floor, low=0, open_low=True)
    gain, left = _gain(model)
    cross = covariance @ gain.mT
    weight = torch.linalg.solve(left + gain @ cross, cross.mT).mT
    noise = covariance.diagonal() - (weight * cross).sum(-1)
    if isotropic:
        noise = noise.mean().expand_as(noise)
    following = FactorAnalysis(weight, model.bias, noise.clamp_min(floor))
    return following, _mean_log_likelihood(model, covariance)


def fit_factor_analysis(
    x: Float[Tensor, "batch dim"],
    latent_dim: int,
    *,
    num_steps: int = 200,
    tolerance: float = 0.0,
    isotropic: bool = False,
    floor: float = 1e-9,
    generator: torch.Generator | None = None,
) -> Ascent[FactorAnalysis]:
    """Fit factor analysis, or probabilistic PCA, by expectation maximisation.

    It starts at random loadings and half of each coordinate's variance as noise.

    Args:
        x: Examples.
        latent_dim: k, from 1 to the dimension.
        num_steps: Steps at most.
        tolerance: Stop after a step that gains less than this, nats per example.
        isotropic: One noise variance for all coordinates.
        floor: Smallest noise variance allowed.
        generator: Source of the first loadings.

    Returns:
        The last model and the log-likelihood of every model on the way.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        A stationary point of the likelihood. For ``isotropic=True`` the only maxima have the
        closed form of ``LinearGaussian.fitted``.

    Source:
        [rubin1982em], [tipping1999probabilistic].
    """
    check_tensor("x", x, shape=("batch", "dim"), dtype="float")
    check_int("latent_dim", latent_dim, low=1, high=x.shape[1])
    covariance = torch.cov(x.mT, correction=0).reshape(x.shape[1], x.shape[1])
    scale = covariance.diagonal().mean().sqrt()
    weight = x.new_empty(x.shape[1], latent_dim).normal_(generator=generator)
    noise = (covariance.diagonal() / 2).clamp_min(floor)
    noise = noise.mean().expand_as(noise) if isotropic else noise
    start = FactorAnalysis(scale / math.sqrt(2 * latent_dim) * weight, x.mean(0), noise)

    def step(model: FactorAnalysis) -> tuple[FactorAnalysis, Tensor]:
        return factor_analysis_step(model, covariance, isotropic=isotropic, floor=floor)

    return ascend(start, step, num_steps=num_steps, tolerance=tolerance)


def _gain(model: FactorAnalysis) -> tuple[Tensor, Tensor]:
    """β = M⁻¹ Wᵀ Ψ⁻¹ and M⁻¹."""
    scaled = model.weight.mT / model.noise_variances
    precision = torch.eye(model.latent_dim).to(model.weight) + scaled @ model.weight
    covariance = torch.linalg.inv(precision)
    covariance = (covariance + covariance.mT) / 2
    return covariance @ scaled, covariance


def _mean_log_likelihood(model: FactorAnalysis, covariance: Tensor) -> Tensor:
    """−½ (log det 2πC + tr C⁻¹ S), C the model's covariance."""
    law = model.marginal.covariance
    factor = torch.linalg.cholesky(law)
    trace = torch.cholesky_solve(covariance, factor).diagonal().sum()
    log_det = 2 * factor.diagonal().log().sum()
    return -0.5 * (len(law) * math.log(2 * math.pi) + log_det + trace)
