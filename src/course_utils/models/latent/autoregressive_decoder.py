r"""A variational autoencoder whose decoder is autoregressive, and may do without the code.

    p(x | z) = Π_i p(x_i | x_{<i}, z).

A decoder with independent variables has to get everything they share from z. This one can copy it
from the variables before: if it is strong enough to model p(x) alone, the bound is as high with a
rate of zero as with any other, and training finds rate zero first [chen2017variational].
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int
from course_utils.distributions import BernoulliHead, CategoricalHead
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent.base import LatentVariableModel
from course_utils.nets.masked import MaskedLinear, made_masks
from course_utils.nets.mlp import mlp
from course_utils.samplers.decoding import ancestral


class AutoregressiveVAE(LatentVariableModel):
    """VAE of discrete variables with a masked decoder (MADE) that also reads z.

    The logits of variable i are M₂ f(M₁ x + A z) + B z, with the masks of ``nets.masked``.

    Args:
        event: Shape of one example.
        latent_dim: Size of z.
        num_levels: K, levels 0 … K − 1 of a variable.
        hidden: Width of the encoder and of the decoder.

    Source:
        [gulrajani2017pixelvae], with fully connected masks in place of convolutions.
    """

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int,
        num_levels: int = 2,
        hidden: int = 128,
    ):
        super().__init__(latent_dim, event)
        self.num_levels = check_int("num_levels", num_levels, low=2)
        self.head = BernoulliHead() if num_levels == 2 else CategoricalHead(num_levels)
        self.num_variables = torch.Size(self.event).numel()
        self.encoder = mlp(self.num_variables, (hidden,), 2 * latent_dim)
        order = torch.arange(self.num_variables)
        first, last = made_masks(order, (hidden,), num_outputs_each=self.head.num_params)
        self.inputs, self.outputs = MaskedLinear(first), MaskedLinear(last)
        self.code_in = nn.Linear(latent_dim, hidden)
        self.code_out = nn.Linear(latent_dim, self.num_variables * self.head.num_params)

    def posterior(self, x: Int[Tensor, "batch *event"]) -> DiagonalGaussian:
        """The encoder's law q(z | x) = N(μ(x), diag σ(x)²).

        Accuracy:
            Estimate of p(z | x).
        """
        return DiagonalGaussian(*self.encoder(self._scaled(x.flatten(1))).chunk(2, -1))

    def conditionals(
        self, x: Int[Tensor, "batch length"], z: Float[Tensor, "*samples batch latent"]
    ) -> Float[Tensor, "*samples batch length params"]:
        """Parameters of p(x_i | x_{<i}, z) for all i at once."""
        hidden = functional.silu(self.inputs(self._scaled(x)) + self.code_in(z))
        return (self.outputs(hidden) + self.code_out(z)).unflatten(-1, (self.num_variables, -1))

    def log_likelihood(
        self, x: Int[Tensor, "batch *event"], z: Float[Tensor, "samples batch latent"]
    ) -> Float[Tensor, "samples batch"]:
        """log p(x | z) = Σ_i log p(x_i | x_{<i}, z) in nats.

        Accuracy:
            Exact.
        """
        params = self.conditionals(x.flatten(1), z)
        return self.head.log_prob(params, x.flatten(1).expand(params.shape[:-1])).sum(-1)

    def sample_given(
        self, z: Float[Tensor, "batch latent"], generator: torch.Generator | None = None
    ) -> Int[Tensor, "batch *event"]:
        """Draw the variables in order, each from its conditional.

        Accuracy:
            Exact.
        """
        x = ancestral(
            lambda seen: self.conditionals(seen, z),
            self.head,
            len(z),
            self.num_variables,
            generator=generator,
            device=z.device,
        )
        return x.reshape(-1, *self.event)

    def _scaled(self, x: Tensor) -> Tensor:
        """Levels 0 … K − 1 as numbers from −1 to 1."""
        return x.to(self.code_in.weight.dtype) * (2 / (self.num_levels - 1)) - 1
