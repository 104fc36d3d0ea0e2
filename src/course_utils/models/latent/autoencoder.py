r"""The classical autoencoder: a code for every example, and no law of the codes.

An encoder maps x to a code z = f(x), a decoder maps it back, and both are trained to lower the
squared error ‖x − g(f(x))‖². There is no prior and no noise, so the model says nothing about which
codes occur: it reconstructs, and it cannot draw.

If f and g are linear, the best pair projects on the k leading eigenvectors u_j of the data's
covariance, and what is lost is the variance in the other directions [bourlard1988auto]:

    min E‖x − g(f(x))‖² = Σ_{j > k} λ_j.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.nets.mlp import mlp
from course_utils.tasks import absent

_WHERE = "the chapter on the latent space (week 3)"


class Autoencoder(nn.Module):
    """Encoder z = f(x) and decoder x̂ = g(z), trained on the squared error.

    Args:
        encoder: From examples ``(batch, *event)`` to ``(batch, latent_dim)``.
        decoder: From ``(batch, latent_dim)`` to ``prod(event)`` numbers for each code.
        latent_dim: Size of z.
        event: Shape of one example.

    Attributes:
        latent_dim: Size of z.
        event: Shape of one example.

    Source:
        [bourlard1988auto], [hinton2006reducing].
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, latent_dim: int, event: tuple[int, ...]
    ):
        super().__init__()
        self.latent_dim = check_int("latent_dim", latent_dim, low=1)
        self.event = tuple(check_int("event", size, low=1) for size in event)
        self.encoder, self.decoder = encoder, decoder

    @classmethod
    def of_perceptrons(
        cls, event: tuple[int, ...], latent_dim: int, hidden: Sequence[int] = (128,)
    ) -> "Autoencoder":
        """Multilayer perceptrons, the decoder's widths in reverse; no hidden layer is linear."""
        check_int("latent_dim", latent_dim, low=1)
        size = torch.Size(event).numel()
        encoder = nn.Sequential(nn.Flatten(), mlp(size, hidden, latent_dim))
        decoder = mlp(latent_dim, tuple(reversed(hidden)), size)
        return cls(encoder, decoder, latent_dim, event)

    @classmethod
    def principal(cls, x: Float[Tensor, "batch dim"], latent_dim: int) -> "Autoencoder":
        """The best linear autoencoder: f(x) = Uᵀ(x − mean), g(z) = U z + mean, U orthonormal.

        Args:
            x: The data.
            latent_dim: k, the number of leading eigenvectors kept, at most the dimension.

        Accuracy:
            Exact minimiser of the mean squared error over linear pairs; the code's coordinates
            are uncorrelated, ordered by variance.

        Source:
            [bourlard1988auto].
        """
        check_tensor("x", x, shape=("batch", "dim"), dtype="float")
        check_int("latent_dim", latent_dim, low=1, high=x.shape[1])
        vectors = torch.linalg.eigh(torch.cov(x.mT, correction=0))[1].flip(1)[:, :latent_dim]
        model = cls.of_perceptrons((x.shape[1],), latent_dim, ()).to(x)
        encode, decode = model.encoder[1][0], model.decoder[0]
        with torch.no_grad():
            encode.weight.copy_(vectors.mT)
            encode.bias.copy_(-x.mean(0) @ vectors)
            decode.weight.copy_(vectors)
            decode.bias.copy_(x.mean(0))
        return model

    def encode(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch latent"]:
        """The code f(x) of every example.

        Raises:
            ArgumentError: ``x`` does not have the model's event shape.
        """
        check_tensor("x", x, shape=("batch", *self.event), dtype="float")
        return self.encoder(x)

    def decode(self, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "..."]:
        """The example g(z) of every code, axes ``(*batch, *event)``."""
        check_tensor("z", z, shape=("...", self.latent_dim), dtype="float", finite=False)
        return self.decoder(z.reshape(-1, self.latent_dim)).reshape(*z.shape[:-1], *self.event)

    def reconstruct(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """g(f(x))."""
        return self.decode(self.encode(x))

    def loss(self, batch: Float[Tensor, "batch *event"]) -> dict[str, Tensor]:
        """Mean over the batch of ‖x − g(f(x))‖², summed over the variables.

        Returns:
            ``total``: in squared units of x, at least Σ_{j > k} λ_j of the batch for a linear pair.
        """
        error = (batch - self.reconstruct(batch)).square().flatten(1).sum(-1)
        return {"total": error.mean()}

    sample = absent("sample", "nothing says which codes occur.", _WHERE)
    log_prob = absent("score", "it has no law of x, only a squared error.", _WHERE)
    posterior = absent("infer", "its code encode(x) is one point and no law.", _WHERE)


def discarded_variance(x: Float[Tensor, "batch dim"], latent_dim: int) -> Float[Tensor, ""]:
    """Smallest mean squared error of a linear autoencoder with k codes, Σ_{j > k} λ_j.

    Args:
        x: The data.
        latent_dim: k, below the dimension.

    Returns:
        Sum of the discarded eigenvalues of the covariance (divisor: number of examples).

    Raises:
        ArgumentError: ``latent_dim`` is not below the dimension.

    Accuracy:
        Exact.

    Source:
        [bourlard1988auto].
    """
    check_tensor("x", x, shape=("batch", "dim"), dtype="float")
    if check_int("latent_dim", latent_dim, low=1) >= x.shape[1]:
        raise ArgumentError(f"latent_dim: expected less than {x.shape[1]}, got {latent_dim}")
    return torch.linalg.eigvalsh(torch.cov(x.mT, correction=0))[:-latent_dim].sum()
