r"""The aggregate posterior: which codes the data occupy, against the prior they are drawn from.

Encode all examples, forget which was which: the law of the codes is a mixture,

    q(z) = (1/N) Σ_n q(z | x_n).

The mean rate of the bound splits into two parts [hoffman2016elbo]:

    (1/N) Σ_n KL(q(z | x_n) ‖ p(z)) = I_q(n; z) + KL(q(z) ‖ p(z)),

how well a code tells its example, at most log N, and how far the codes' law is from the prior.
The second part is what new samples suffer from: the decoder is asked at codes it has not seen. It
can be removed after training by drawing codes from a law r(z) fitted to q(z); the bound rises by

    E_q(z)[log r(z) − log p(z)] = KL(q(z) ‖ p(z)) − KL(q(z) ‖ r(z)).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from sklearn.mixture import GaussianMixture
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import check_probabilities
from course_utils.gaussians import DiagonalGaussian

_AT_ONCE = 512  # codes at which the mixture over all examples is evaluated together


@dataclass(frozen=True)
class DiagonalMixture:
    """Law Σ_k w_k N(μ_k, diag σ_k²).

    Args:
        weights: w, axis ``components``, summing to one.
        components: The K laws, axes ``(components, dim)``.

    Raises:
        ArgumentError: The weights are no probabilities, or their number is another than K.
    """

    weights: Float[Tensor, " components"]
    components: DiagonalGaussian

    def __post_init__(self) -> None:
        check_probabilities("weights", self.weights)
        if len(self.components.mean) != len(self.weights):
            raise ArgumentError(
                f"weights: expected one for each of {len(self.components.mean)} components, "
                f"got {len(self.weights)}"
            )

    @classmethod
    def aggregate(cls, posterior: DiagonalGaussian) -> "DiagonalMixture":
        """The aggregate posterior q(z) = (1/N) Σ_n q(z | x_n) of N encoded examples."""
        mean = posterior.mean.detach()
        weights = mean.new_full((len(mean),), 1 / len(mean))
        return cls(weights, DiagonalGaussian(mean, posterior.log_std.detach().expand_as(mean)))

    @classmethod
    def fitted(
        cls,
        z: Float[Tensor, "batch dim"],
        num_components: int,
        generator: torch.Generator | None = None,
    ) -> "DiagonalMixture":
        """A mixture of few Gaussians fitted to codes by expectation maximisation.

        Args:
            z: Codes, drawn from q(z).
            num_components: K, at most the number of codes.
            generator: Decides the starting point.

        Accuracy:
            Estimate: a stationary point of the likelihood, by scikit-learn.
        """
        check_tensor("z", z, shape=("batch", "dim"), dtype="float")
        check_int("num_components", num_components, low=1, high=len(z))
        device = generator.device if generator is not None else None
        seed = int(torch.randint(2**31, (), generator=generator, device=device))
        fit = GaussianMixture(
            num_components, covariance_type="diag", random_state=seed, max_iter=1000
        )
        fit.fit(z.detach().cpu().double().numpy())
        parts = (torch.from_numpy(a).to(z) for a in (fit.weights_, fit.means_, fit.covariances_))
        weights, means, variances = parts
        return cls(weights / weights.sum(), DiagonalGaussian(means, variances.log() / 2))

    def log_prob(self, z: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Log density log Σ_k w_k N(z; μ_k, σ_k²) in nats.

        Accuracy:
            Exact; K evaluations for each z.
        """
        return (self.components.log_prob(z.unsqueeze(-2)) + self.weights.log()).logsumexp(-1)

    def sample(
        self, num_samples: int, generator: torch.Generator | None = None
    ) -> Float[Tensor, "samples dim"]:
        """Draw a component, then a point of it.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        chosen: Int[Tensor, " samples"] = torch.multinomial(
            self.weights, num_samples, replacement=True, generator=generator
        )
        mean, log_std = (
            self.components.mean,
            self.components.log_std.expand_as(self.components.mean),
        )
        return DiagonalGaussian(mean[chosen], log_std[chosen]).sample(1, generator)[0]


@dataclass(frozen=True)
class RateSplit:
    """The mean rate and its two parts, all in nats.

    Attributes:
        rate: (1/N) Σ_n KL(q(z | x_n) ‖ p(z)), exact.
        information: I_q(n; z), between 0 and log N.
        marginal: KL(q(z) ‖ p(z)) = rate − information.
        standard_error: Of ``information`` and of ``marginal``, which share one estimate.
    """

    rate: float
    information: float
    marginal: float
    standard_error: float


def split_rate(
    posterior: DiagonalGaussian,
    prior: DiagonalGaussian,
    *,
    num_samples: int = 10,
    generator: torch.Generator | None = None,
) -> RateSplit:
    """Split the mean rate into what codes tell and what the codes' law misses of the prior.

    I_q(n; z) is estimated by the mean over n and draws z ~ q(z | x_n) of log q(z | x_n) − log q(z),
    where q(z) is evaluated exactly as the mixture over all N examples.

    Args:
        posterior: q(z | x_n) of all N examples, axes ``(batch, latent)``.
        prior: p(z).
        num_samples: Draws for each example.
        generator: Source of randomness.

    Accuracy:
        Unbiased for these N examples. Taken for the population they come from, ``information`` is
        too low in expectation and ``marginal`` too high, less so with every example.

    Source:
        [hoffman2016elbo].
    """
    check_int("num_samples", num_samples, low=1)
    with torch.no_grad():
        mixture = DiagonalMixture.aggregate(posterior)
        draws = posterior.sample(num_samples, generator)
        rows = draws.flatten(0, 1).split(_AT_ONCE)
        log_q = torch.cat([mixture.log_prob(z) for z in rows]).reshape(draws.shape[:2])
        told = (posterior.log_prob(draws) - log_q).mean(0)
        rate = float(posterior.kl(prior).mean())
    information = float(told.mean())
    error = float(told.std() / math.sqrt(len(told)))
    return RateSplit(rate, information, rate - information, error)
