r"""The β-VAE: the same two terms as the bound, rate and distortion, but weighed.

    minimise  D + β R,    D = −E log p(x | z),    R = E KL(q(z | x) ‖ p(z)).

β is a Lagrange multiplier: among all encoders and decoders of one rate, the minimum has the least
distortion, and β is the distortion one is ready to accept to save one nat. For β = 1 the sum is
minus the evidence lower bound. For β > 1 it is larger still, an upper bound of −log p(x), only a
looser one; for β < 1 it bounds nothing.
"""

from collections.abc import Sequence

from jaxtyping import Shaped
from torch import Tensor, nn

from course_utils.arguments import check_number
from course_utils.models.latent.vae import VAE
from course_utils.samplers.decoding import Head


class BetaVAE(VAE):
    """Variational autoencoder trained with the rate multiplied by β.

    Args:
        encoder: As for ``VAE``.
        decoder: As for ``VAE``.
        head: The law of one variable given its parameters.
        latent_dim: Size of z.
        event: Shape of one example.
        beta: Weight β > 0 of the rate.

    Attributes:
        beta: β; it may be changed during training.

    Raises:
        ArgumentError: ``beta`` is not a positive number.

    Source:
        [higgins2017beta].
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        head: Head,
        latent_dim: int,
        event: tuple[int, ...],
        beta: float = 1.0,
    ):
        super().__init__(encoder, decoder, head, latent_dim, event)
        self.beta = check_number("beta", beta, low=0, open_low=True)

    @classmethod
    def of_perceptrons(
        cls,
        event: tuple[int, ...],
        latent_dim: int,
        head: Head,
        hidden: Sequence[int] = (128,),
        beta: float = 1.0,
    ) -> "BetaVAE":
        """As ``VAE.of_perceptrons``, with the weight β of the rate."""
        model = super().of_perceptrons(event, latent_dim, head, hidden)
        model.beta = check_number("beta", beta, low=0, open_low=True)
        return model

    @property
    def total_is_bound(self) -> bool:
        """Whether the expected ``total`` of ``loss`` is at least −log p(x): for β ≥ 1 only."""
        return self.beta >= 1

    def loss(self, batch: Shaped[Tensor, "batch *event"]) -> dict[str, Tensor]:
        """Mean of D + β R, estimated with ``num_samples`` draws of z per example.

        Returns:
            ``total``: D + β R in nats per example. It is minus the bound for β = 1, an upper bound
            of −log p(x) for β > 1, and no bound for β < 1, see ``total_is_bound``.
            ``negative_elbo``: D + R, which bounds −log p(x) from above for every β.
            ``distortion``: D, mean of −log p(x | z). ``rate``: R, mean of KL(q(z | x) ‖ p(z)).

        Accuracy:
            Unbiased estimates.

        Source:
            [higgins2017beta], eq. 4.
        """
        terms = super().loss(batch)
        weighted = terms["distortion"] + self.beta * terms["rate"]
        return {**terms, "total": weighted, "negative_elbo": terms["total"]}
