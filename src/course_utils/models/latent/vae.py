"""The variational autoencoder: one network decodes, another encodes, one bound trains both."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_number, check_tensor
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
        cls,
        event: tuple[int, ...],
        latent_dim: int,
        head: Head,
        hidden: Sequence[int] = (128,),
        *,
        dropout: float = 0.0,
        shared_scale: float | None = None,
    ) -> "VAE":
        """Encoder and decoder as multilayer perceptrons, the decoder's widths in reverse order.

        Levels 0 … K − 1 of a discrete head enter the encoder scaled to [−1, 1].

        Args:
            event: Shape of one example.
            latent_dim: Size of z.
            head: The law of one variable.
            hidden: Widths of the encoder's hidden layers.
            dropout: Probability with which a hidden unit is set to zero in training.
            shared_scale: For a head with (μ, log σ): one learned σ for all variables and all z;
                this is its first value.

        Raises:
            ArgumentError: ``shared_scale`` is not positive, or asked of a head without (μ, log σ).
        """
        shared = shared_scale is not None
        if shared and head.num_params != 2:
            raise ArgumentError(f"shared_scale: expected a head with (mean, log_std), got {head!r}")
        size = torch.Size(event).numel()
        encoder = nn.Sequential(Inputs(head), mlp(size, hidden, 2 * latent_dim, dropout=dropout))
        widths, each = tuple(reversed(hidden)), 1 if shared else head.num_params
        decoder = mlp(latent_dim, widths, size * each, dropout=dropout)
        if shared_scale is not None:
            decoder = nn.Sequential(decoder, SharedScale(shared_scale))
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


class SharedScale(nn.Module):
    """Append one learned log σ to every mean: μ (batch, n) becomes (μ, log σ) (batch, n, 2).

    At the optimum σ² is the mean squared error of the reconstruction, so the weight of the error
    against the rate is learned with everything else. Start it below the spread of the data: from
    a large σ an error costs nothing at first, and the code may fall silent.

    Args:
        start: First value of σ, above 0.

    Source:
        [rybkin2021simple].
    """

    def __init__(self, start: float = 1.0):
        super().__init__()
        check_number("shared_scale", start, low=0, open_low=True)
        self.log_std = nn.Parameter(torch.tensor(math.log(start)))

    def forward(self, mean: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n 2"]:
        """Return the pairs."""
        return torch.stack([mean, self.log_std.expand_as(mean)], -1)


class Inputs(nn.Module):
    """Examples as rows of numbers for an encoder; levels 0 … K − 1 become −1 … 1.

    Args:
        head: The law of one variable; its ``num_levels``, if it has any, is K.
    """

    step: Tensor

    def __init__(self, head: Head):
        super().__init__()
        levels = getattr(head, "num_levels", None)
        self.register_buffer("step", torch.tensor(2 / (levels - 1) if levels else 0.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows, axes ``(batch, variables)``."""
        return x.flatten(1) if x.is_floating_point() else x.flatten(1) * self.step - 1
