"""The variational autoencoder: one network decodes, another encodes, one bound trains both."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from course_utils.arguments import check_tensor
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent.base import LatentVariableModel
from course_utils.nets.mlp import mlp
from course_utils.samplers.decoding import Head


class VAE(LatentVariableModel):
    """Variational autoencoder with an encoder, a decoder, and a head for each variable.

    p(z) = N(0, I), p(x | z) = Π_i head(x_i; decoder(z)_i), q(z | x) = N(μ(x), diag σ(x)²) with
    (μ, log σ) = encoder(x).

    Args:
        encoder: From examples ``(batch, *event)`` to ``(batch, 2 * latent_dim)``.
        decoder: From ``(batch, latent_dim)`` to the head's parameters of all variables, with
            ``(batch, prod(event) * num_params)`` elements.
        head: The law of one variable given its parameters.
        latent_dim: Size of z.
        event: Shape of one example.

    Source:
        [kingma2014auto].
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        head: Head,
        latent_dim: int,
        event: tuple[int, ...],
    ):
        super().__init__(latent_dim, event)
        self.encoder, self.decoder, self.head = encoder, decoder, head

    @classmethod
    def of_perceptrons(
        cls, event: tuple[int, ...], latent_dim: int, head: Head, hidden: Sequence[int] = (128,)
    ) -> "VAE":
        """Encoder and decoder as multilayer perceptrons, the decoder's widths in reverse order.

        Levels 0 … K − 1 of a discrete head enter the encoder scaled to [−1, 1].
        """
        size = torch.Size(event).numel()
        encoder = nn.Sequential(_Inputs(head), mlp(size, hidden, 2 * latent_dim))
        decoder = mlp(latent_dim, tuple(reversed(hidden)), size * head.num_params)
        return cls(encoder, decoder, head, latent_dim, event)

    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> DiagonalGaussian:
        """The encoder's law q(z | x) = N(μ(x), diag σ(x)²).

        Accuracy:
            Estimate of p(z | x).
        """
        mean, log_std = self.encoder(x).chunk(2, -1)
        return DiagonalGaussian(mean, log_std)

    def decode(self, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "..."]:
        """The head's parameters of every variable, given z."""
        check_tensor("z", z, shape=("...", self.latent_dim), dtype="float", finite=False)
        params = self.decoder(z.reshape(-1, self.latent_dim))
        return params.reshape(*z.shape[:-1], *self.event, self.head.num_params)

    def log_likelihood(
        self, x: Shaped[Tensor, "batch *event"], z: Float[Tensor, "samples batch latent"]
    ) -> Float[Tensor, "samples batch"]:
        """log p(x | z) in nats, summed over the variables of an example.

        Accuracy:
            Exact.
        """
        params = self.decode(z)
        return self.head.log_prob(params, x.expand(params.shape[:-1])).flatten(2).sum(-1)

    def reconstruct(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Mean of p(x' | z) at the encoder's mean, z = μ(x)."""
        return self.head.mean(self.decode(self.posterior(x).mean))

    def sample_given(
        self, z: Float[Tensor, "batch latent"], generator: torch.Generator | None = None
    ) -> Shaped[Tensor, "batch *event"]:
        """Draw every variable from its head, x ~ p(x | z).

        Accuracy:
            Exact.
        """
        with torch.no_grad():
            return self.head.sample(self.decode(z), generator)


class _Inputs(nn.Module):
    """Examples as rows of numbers; levels 0 … K − 1 become −1 … 1."""

    step: Tensor

    def __init__(self, head: Head):
        super().__init__()
        levels = getattr(head, "num_levels", None)
        self.register_buffer("step", torch.tensor(2 / (levels - 1) if levels else 0.0))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) if x.is_floating_point() else x.flatten(1) * self.step - 1
