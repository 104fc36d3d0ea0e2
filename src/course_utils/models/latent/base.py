r"""What every model with a Gaussian latent vector shares: joint, bound, samples, loss.

A vector z that nobody sees is drawn from the prior N(0, I), and what is seen from p(x | z). The
density of x is an integral over all z, which has no closed form for an interesting decoder. With a
second law q(z | x), the *encoder*, there is a lower bound that needs only samples of it:

    log p(x) = ELBO(x) + KL(q(z | x) ‖ p(z | x)),
    ELBO(x)  = E_q log p(x | z) − KL(q(z | x) ‖ p(z)).

The first term is minus the *distortion*, the second is the *rate*. A family says how it decodes and
how it encodes; all the rest stands here once.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.gaussians import DiagonalGaussian
from course_utils.tasks import absent


@dataclass(frozen=True)
class BoundTerms:
    """The two halves of the evidence lower bound, in nats.

    Attributes:
        log_likelihood: log p(x | z) at each draw of z, axes ``(samples, batch)``.
        rate: KL(q(z_j | x) ‖ p(z_j)) of each coordinate, axes ``(batch, latent)``.
    """

    log_likelihood: Float[Tensor, "samples batch"]
    rate: Float[Tensor, "batch latent"]

    @property
    def elbo(self) -> Float[Tensor, " batch"]:
        """The bound of each example: mean log-likelihood minus the sum of the rates."""
        return self.log_likelihood.mean(0) - self.rate.sum(-1)


class LatentVariableModel(nn.Module, ABC):
    """Model p(x) = ∫ N(z; 0, I) p(x | z) dz with an encoder q(z | x).

    Args:
        latent_dim: Size of z.
        event: Shape of one example.

    Attributes:
        latent_dim: Size of z.
        event: Shape of one example.
    """

    num_samples: int = 1
    """Draws of z per example in ``loss``."""

    def __init__(self, latent_dim: int, event: tuple[int, ...]):
        super().__init__()
        self.latent_dim = check_int("latent_dim", latent_dim, low=1)
        self.event = tuple(check_int("event", size, low=1) for size in event)

    @abstractmethod
    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> DiagonalGaussian:
        """The encoder q(z | x), which stands in for the posterior p(z | x).

        Accuracy:
            Estimate: as close to p(z | x) as the encoder's family and training allow.
        """

    @abstractmethod
    def log_likelihood(
        self, x: Shaped[Tensor, "batch *event"], z: Float[Tensor, "samples batch latent"]
    ) -> Float[Tensor, "samples batch"]:
        """log p(x | z) in nats, summed over the example's variables.

        Accuracy:
            Exact.
        """

    @abstractmethod
    def sample_given(
        self, z: Float[Tensor, "batch latent"], generator: torch.Generator | None = None
    ) -> Shaped[Tensor, "batch *event"]:
        """Draw x ~ p(x | z).

        Accuracy:
            Exact.
        """

    @property
    def prior(self) -> DiagonalGaussian:
        """The law N(0, I) of z, on the device of the parameters."""
        return DiagonalGaussian.standard(self.latent_dim, next(self.parameters()))

    def log_joint(
        self, x: Shaped[Tensor, "batch *event"], z: Float[Tensor, "samples batch latent"]
    ) -> Float[Tensor, "samples batch"]:
        """log p(x, z) = log p(z) + log p(x | z) in nats.

        Accuracy:
            Exact.
        """
        return self.prior.log_prob(z) + self.log_likelihood(x, z)

    def proposal(
        self,
        x: Shaped[Tensor, "batch *event"],
        num_samples: int,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "samples batch latent"], Float[Tensor, "samples batch"]]:
        """Draws of q(z | x) and log q(z | x), as ``metrics.importance_sampled_log_prob`` asks."""
        posterior = self.posterior(x)
        z = posterior.sample(num_samples, generator)
        return z, posterior.log_prob(z)

    def log_weights(
        self,
        x: Shaped[Tensor, "batch *event"],
        num_samples: int,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "samples batch"]:
        """log w = log p(x, z) − log q(z | x) at draws of q; E w = p(x), E log w = ELBO.

        Accuracy:
            Each w is an unbiased estimate of p(x).
        """
        z, log_q = self.proposal(x, num_samples, generator)
        return self.log_joint(x, z) - log_q

    def bound_terms(
        self,
        x: Shaped[Tensor, "batch *event"],
        num_samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> BoundTerms:
        """Distortion by draws of q, rate in closed form.

        Raises:
            ArgumentError: ``x`` does not have the model's event shape.
        """
        if tuple(x.shape[1:]) != self.event:
            raise ArgumentError(
                f"x: expected shape ('batch', {', '.join(map(str, self.event))}), "
                f"got shape {tuple(x.shape)}"
            )
        posterior = self.posterior(x)
        z = posterior.sample(num_samples, generator)
        return BoundTerms(self.log_likelihood(x, z), posterior.kl_terms(self.prior))

    def elbo(
        self,
        x: Shaped[Tensor, "batch *event"],
        *,
        num_samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " batch"]:
        """Evidence lower bound E_q log p(x | z) − KL(q(z | x) ‖ p(z)), at most log p(x).

        Args:
            x: Examples ``(batch, *event)``.
            num_samples: Draws of z per example for the first term.
            generator: Source of randomness.

        Returns:
            Nats per example.

        Accuracy:
            Unbiased estimate of a lower bound; the gap is KL(q(z | x) ‖ p(z | x)).

        Source:
            [kingma2014auto].
        """
        return self.bound_terms(x, num_samples, generator).elbo

    def sample(
        self,
        num_samples: int,
        *,
        condition: Float[Tensor, "samples latent"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Shaped[Tensor, "samples *event"]:
        """Draw z ~ p(z), then x ~ p(x | z).

        Args:
            num_samples: Number of independent samples.
            condition: Latent vectors to decode instead of draws from the prior.
            generator: Source of randomness.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        if condition is None:
            condition = self.prior.sample(num_samples, generator)
        check_tensor("condition", condition, shape=(num_samples, self.latent_dim), dtype="float")
        return self.sample_given(condition, generator)

    def loss(self, batch: Shaped[Tensor, "batch *event"]) -> dict[str, Tensor]:
        """Mean of −ELBO, estimated with ``num_samples`` draws of z per example.

        Returns:
            ``total``: nats per example, at least the data's entropy in expectation.
            ``distortion``: mean of −log p(x | z). ``rate``: mean of KL(q(z | x) ‖ p(z)).
        """
        terms = self.bound_terms(batch, self.num_samples)
        distortion, rate = -terms.log_likelihood.mean(), terms.rate.sum(-1).mean()
        return {"total": distortion + rate, "distortion": distortion, "rate": rate}

    log_prob = absent(
        "score",
        "its density is an integral over the latent vector; elbo(x) is a lower bound.",
        "the chapter on the evidence lower bound (week 3)",
    )
