r"""The importance-weighted bound: the ELBO of an average of K weights.

One weight w = p(x, z) / q(z | x) with z ~ q has the mean p(x), and the ELBO is E log w. An average
of K of them has the same mean and less spread, so Jensen's inequality loses less:

    L_K(x) = E log (1/K) Σ_k w_k,    ELBO = L_1 ≤ L_2 ≤ … ≤ log p(x),

and log p(x) − L_K ≈ Var(w) / (2 K p(x)²) for large K, if that variance exists.

A better bound is not a better teacher. The encoder's gradient falls as 1/K and its noise only as
1/√K. Of the two places where the encoder enters log w, the density q and the draw z, the doubly
reparameterised gradient moves the first into the second and keeps the signal.
"""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent.base import LatentVariableModel
from course_utils.models.latent.vae import VAE

_STEP = 0.05
"""Step of the trapezoidal rule in log t; the integrand is smooth on the whole line."""

_NEGLIGIBLE = -80.0
"""Log of the mass, and of its share in the mean weight, below which a value is left out."""


def importance_weighted_bound(
    log_weights: Float[Tensor, "samples *batch"], num_terms: int
) -> Float[Tensor, "groups *batch"]:
    """Independent estimates log (1/K) Σ_k w_k of L_K, one for each K successive weights.

    Args:
        log_weights: log w of independent draws, nats; their number is a multiple of K.
        num_terms: K ≥ 1.

    Returns:
        Nats; the mean over the groups estimates L_K, their spread gives its standard error.

    Raises:
        ArgumentError: The weights do not come in groups of K.

    Accuracy:
        Unbiased for L_K, which is a lower bound on log p(x); K = 1 gives the ELBO.

    Source:
        [burda2016importance].
    """
    check_tensor("log_weights", log_weights, dtype="float", finite=False)
    check_int("num_terms", num_terms, low=1)
    if log_weights.ndim == 0 or len(log_weights) % num_terms:
        raise ArgumentError(
            f"log_weights: expected a multiple of {num_terms} samples on the first axis, "
            f"got shape {tuple(log_weights.shape)}"
        )
    return log_weights.unflatten(0, (-1, num_terms)).logsumexp(1) - math.log(num_terms)


def expected_bound(
    log_weights: Float[Tensor, " values"], log_masses: Float[Tensor, " values"], num_terms: int
) -> Float[Tensor, ""]:
    r"""L_K = E log (1/K) Σ_k w_k for weights with a finite law, by one integral.

    With φ(t) = E exp(−t w / K), the transform of the average of K independent weights is φ(t)^K,
    and log s = ∫_0^∞ (e^−t − e^−ts) dt / t gives L_K = ∫_0^∞ (e^−t − φ(t)^K) dt / t.

    Args:
        log_weights: Values of log w: of all states of z, or at the nodes of a quadrature rule.
        log_masses: Logarithms of their probabilities under q; −inf is allowed.
        num_terms: K ≥ 1.

    Returns:
        Nats.

    Raises:
        ArgumentError: The masses do not sum to one.

    Accuracy:
        About 1e-9 for the law given, in float64; its own error is that of the quadrature rule.
    """
    check_tensor("log_weights", log_weights, shape=("values",), dtype="float")
    check_tensor("log_masses", log_masses, shape=(len(log_weights),), dtype="float", finite=False)
    check_int("num_terms", num_terms, low=1)
    log_weights, log_masses = log_weights.double(), log_masses.double()
    if not abs(float(log_masses.logsumexp(0))) < 1e-6:
        raise ArgumentError(
            f"log_masses: expected a sum of probabilities of 1, got {float(log_masses.exp().sum())}"
        )
    centre = (log_weights + log_masses).logsumexp(0)
    kept = torch.maximum(log_masses, log_masses + log_weights - centre) > _NEGLIGIBLE
    scaled, masses = log_weights[kept] - centre - math.log(num_terms), log_masses[kept].exp()
    low, high = -20 - max(0.0, float(scaled.max())), 5 - float(scaled.min())
    log_t = torch.arange(low, high, _STEP, dtype=torch.float64, device=scaled.device)
    total = log_t.new_zeros(())
    for part in log_t.split(max(1, 2_000_000 // len(scaled))):
        transform = torch.exp(-(part[:, None] + scaled).exp()) @ masses
        total = total + ((-part.exp()).exp() - transform**num_terms).sum()
    return centre + _STEP * total


def importance_weighted_loss(
    model: LatentVariableModel,
    x: Shaped[Tensor, "batch *event"],
    num_terms: int,
    *,
    doubly_reparameterised: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    r"""Mean of −L_K, estimated with K draws of z per example.

    The plain gradient differentiates log (1/K) Σ w in θ and φ. The doubly reparameterised one has
    the same for θ; for φ it takes Σ_k w̃_k² (∂ log w_k / ∂z_k) (∂z_k / ∂φ), w̃ = w / Σ w, in which
    q's density is held fixed. Both have the same expectation.

    Args:
        model: Decoder, prior and encoder.
        x: Examples.
        num_terms: K ≥ 1.
        doubly_reparameterised: Which gradient reaches the encoder.
        generator: Source of randomness.

    Returns:
        Nats per example, in expectation above the data's entropy.

    Accuracy:
        Unbiased estimate of the bound and of its gradient.

    Source:
        [burda2016importance]; [tucker2019doubly].
    """
    check_int("num_terms", num_terms, low=1)
    if not doubly_reparameterised:
        log_weights = model.log_weights(x, num_terms, generator)
        return -importance_weighted_bound(log_weights, num_terms).mean()
    law = model.posterior(x)
    z = law.sample(num_terms, generator)
    held = DiagonalGaussian(law.mean.detach(), law.log_std.detach())
    log_weights = model.log_joint(x, z) - held.log_prob(z)
    share = log_weights.detach().softmax(0)
    if z.requires_grad:
        z.register_hook(lambda gradient: share.unsqueeze(-1) * gradient)
    path = -(share * log_weights).sum(0).mean()  # its gradient is the one wanted, not its value
    value = -importance_weighted_bound(log_weights.detach(), num_terms).mean()
    return path + (value - path.detach())


class IWAE(VAE):
    """Importance-weighted autoencoder: a variational autoencoder trained on L_K.

    Sampling and encoding are those of ``VAE``; the bound and the loss differ.

    Attributes:
        num_samples: K, the draws of z per example in ``loss``.
        doubly_reparameterised: Which gradient reaches the encoder.

    Source:
        [burda2016importance].
    """

    num_samples = 5
    doubly_reparameterised: bool = False

    def elbo(
        self,
        x: Shaped[Tensor, "batch *event"],
        *,
        num_samples: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " batch"]:
        """Lower bound log (1/K) Σ_k w_k, one estimate of L_K for each example.

        Args:
            x: Examples ``(batch, *event)``.
            num_samples: K; the attribute of that name if not given. K = 1 estimates the ELBO.
            generator: Source of randomness.

        Returns:
            Nats per example.

        Accuracy:
            Unbiased estimate of the lower bound L_K, tighter for larger K.

        Source:
            [burda2016importance].
        """
        terms = self.num_samples if num_samples is None else num_samples
        return importance_weighted_bound(self.log_weights(x, terms, generator), terms)[0]

    def loss(self, batch: Shaped[Tensor, "batch *event"]) -> dict[str, Tensor]:
        """Mean of −L_K, see ``importance_weighted_loss``.

        Returns:
            ``total``: nats per example, at least the data's entropy in expectation.
        """
        total = importance_weighted_loss(
            self, batch, self.num_samples, doubly_reparameterised=self.doubly_reparameterised
        )
        return {"total": total}
