r"""FactorVAE: punish dependence between the coordinates of the code, and nothing else.

    maximise  ELBO − γ TC,    TC = KL(q(z) ‖ Π_j q(z_j)),

with q(z) the *aggregate* posterior, the law of codes over the whole data. Neither density is known,
but both can be drawn from: encode a batch for q(z), and shuffle each coordinate of the batch by
itself for the product. A classifier that tells the two apart with equal odds has, at its best, the
log-odds log q(z) / Π_j q(z_j), whose mean over codes is the total correlation.

Encoder, decoder and classifier learn at the same time: the classifier's codes are detached, and in
the penalty its weights are, so that one sum of losses gives each its own gradient.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.models.latent.base import BoundTerms
from course_utils.models.latent.vae import VAE
from course_utils.nets.mlp import mlp
from course_utils.samplers.decoding import Head


def permuted(
    z: Float[Tensor, "batch latent"], generator: torch.Generator | None = None
) -> Float[Tensor, "batch latent"]:
    """Shuffle every coordinate over the batch by itself: rows then follow Π_j q(z_j).

    Args:
        z: Codes.
        generator: Source of randomness on the device of ``z``.

    Returns:
        The same numbers in every column, in an order of its own.

    Accuracy:
        Each row follows the product of the marginals up to terms of order 1/batch.

    Source:
        [kim2018disentangling], algorithm 1.
    """
    check_tensor("z", z, shape=("batch", "latent"), dtype="float", finite=False)
    order = torch.rand(z.shape, generator=generator, device=z.device).argsort(0)
    return z.gather(0, order)


class DensityRatio(nn.Module):
    """Classifier of codes against shuffled codes; its logit estimates log q(z) / Π_j q(z_j).

    Args:
        latent_dim: Size of z, ≥ 2.
        hidden: Widths of the hidden layers.

    Source:
        [kim2018disentangling]; [sugiyama2012density] for ratios by classification.
    """

    def __init__(self, latent_dim: int, hidden: Sequence[int] = (64, 64)):
        super().__init__()
        self.net = mlp(check_int("latent_dim", latent_dim, low=2), hidden, 1)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, " batch"]:
        """The logit of "these coordinates belong together", in nats."""
        return self.net(z).squeeze(-1)

    def loss(self, codes: Float[Tensor, "batch latent"]) -> dict[str, Tensor]:
        """Cross-entropy of telling codes from shuffled codes, so that ``training.fit`` can use it.

        Returns:
            ``total``: nats per decision, log 2 for guessing.
        """
        together, apart = self(codes), self(permuted(codes))
        return {"total": 0.5 * (softplus(-together).mean() + softplus(apart).mean())}

    def total_correlation(self, codes: Float[Tensor, "batch latent"]) -> Float[Tensor, ""]:
        """Mean logit over codes, an estimate of the total correlation in nats.

        Accuracy:
            Estimate: of either sign, as good as the classifier; judge it on codes that the
            classifier was not trained on.
        """
        return self(codes).mean()


class FactorVAE(VAE):
    """Variational autoencoder with γ times an estimate of the total correlation in its loss.

    Args:
        encoder: As for ``VAE``.
        decoder: As for ``VAE``.
        head: The law of one variable given its parameters.
        latent_dim: Size of z, ≥ 2.
        event: Shape of one example.
        gamma: Weight γ ≥ 0 of the total correlation.

    Attributes:
        gamma: γ.
        ratio: The classifier that estimates the total correlation.

    Raises:
        ArgumentError: ``gamma`` is negative.

    Source:
        [kim2018disentangling]; there the two players take turns, here they move together.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        head: Head,
        latent_dim: int,
        event: tuple[int, ...],
        gamma: float = 1.0,
    ):
        super().__init__(encoder, decoder, head, latent_dim, event)
        self.gamma = check_number("gamma", gamma, low=0)
        self.ratio = DensityRatio(latent_dim)

    @classmethod
    def of_perceptrons(
        cls,
        event: tuple[int, ...],
        latent_dim: int,
        head: Head,
        hidden: Sequence[int] = (128,),
        gamma: float = 1.0,
    ) -> "FactorVAE":
        """As ``VAE.of_perceptrons``, with the weight γ of the total correlation."""
        model = super().of_perceptrons(event, latent_dim, head, hidden)
        model.gamma = check_number("gamma", gamma, low=0)
        return model

    def loss(self, batch: Shaped[Tensor, "batch *event"]) -> dict[str, Tensor]:
        """Mean of −ELBO + γ TC; its gradient also trains the classifier.

        Returns:
            ``total``: D + R + γ TC in nats per example. Since the estimate of TC may have either
            sign it bounds nothing. Its value does not include the classifier's loss, its gradient
            does. ``negative_elbo``: D + R, an upper bound of −log p(x) in expectation.
            ``distortion``, ``rate``, ``total_correlation``: D, R and the estimate of TC.
            ``classifier``: cross-entropy of the classifier, nats per decision.

        Accuracy:
            Estimate, biased by what the classifier does not see.
        """
        check_tensor("batch", batch, shape=("batch", *self.event))
        posterior = self.posterior(batch)
        z = posterior.sample(self.num_samples)
        terms = BoundTerms(self.log_likelihood(batch, z), posterior.kl_terms(self.prior))
        distortion, rate = -terms.log_likelihood.mean(), terms.rate.sum(-1).mean()
        codes = z.flatten(0, 1)
        frozen = {name: weight.detach() for name, weight in self.ratio.named_parameters()}
        correlation = functional_call(self.ratio, frozen, (codes,)).mean()
        classifier = self.ratio.loss(codes.detach())["total"]
        penalised = distortion + rate + self.gamma * correlation
        return {
            "total": penalised + classifier - classifier.detach(),
            "negative_elbo": distortion + rate,
            "distortion": distortion,
            "rate": rate,
            "total_correlation": correlation,
            "classifier": classifier,
        }
