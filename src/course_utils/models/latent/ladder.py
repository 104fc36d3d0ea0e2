r"""The ladder: levels are inferred from the top down, each by a merge of two Gaussians.

A network runs upwards through deterministic features and says of each level what the example tells
about it, N(z_l; μ̂_l, σ̂_l²). Then the levels are drawn downwards. On its way z_{l+1} tells by the
*generative* network what is to be expected of z_l, N(z_l; μ_l, σ_l²), and both opinions are
multiplied, as in Bayes' rule. The encoder needs to learn only what the example adds to the prior.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from course_utils.arguments import ArgumentError
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent.hierarchical import Hierarchy, perceptron_decoders
from course_utils.models.latent.level_chain import LevelChain
from course_utils.models.latent.vae import Inputs
from course_utils.nets.mlp import mlp
from course_utils.samplers.decoding import Head


def precision_weighted(first: DiagonalGaussian, second: DiagonalGaussian) -> DiagonalGaussian:
    r"""The normalised product of two Gaussian densities.

    Precisions add, and the means are averaged with them as weights:

        σ⁻² = σ_1⁻² + σ_2⁻²,    μ = σ² (μ_1 σ_1⁻² + μ_2 σ_2⁻²).

    Args:
        first: N(μ_1, σ_1²), any leading axes.
        second: N(μ_2, σ_2²), broadcast against ``first``.

    Returns:
        N(μ, σ²), coordinate by coordinate.

    Accuracy:
        Exact, without overflow: the weights are a sigmoid of the difference of log precisions.

    Source:
        [sonderby2016ladder].
    """
    logs = [-2 * law.log_std for law in (first, second)]
    share = torch.sigmoid(logs[0] - logs[1])
    mean = share * first.mean + (1 - share) * second.mean
    return DiagonalGaussian(mean, -0.5 * torch.logaddexp(*logs))


class LadderVAE(Hierarchy):
    """Hierarchy inferred from the top down, q(z | x) = q(z_L | x) Π_l q(z_l | z_{l+1}, x).

    q(z_l | z_{l+1}, x) is the precision-weighted merge of the message of x and p(z_l | z_{l+1}).

    Args:
        paths: The features, upwards: first from x, then each from the features below.
        messages: From the features of a level to mean and log standard deviation of its message.
        decoders: As in ``Hierarchy``, and so are ``head``, ``latent_dims``, ``event``, ``options``.

    Source:
        [sonderby2016ladder].
    """

    def __init__(
        self,
        paths: Sequence[nn.Module],
        messages: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        head: Head,
        latent_dims: Sequence[int],
        event: tuple[int, ...],
        **options: float,
    ):
        super().__init__(decoders, head, latent_dims, event, **options)
        for name, parts in (("paths", paths), ("messages", messages)):
            if len(parts) != len(decoders):
                raise ArgumentError(
                    f"{name}: expected one for each of {len(decoders)} levels, got {len(parts)}"
                )
        self.paths, self.messages = nn.ModuleList(paths), nn.ModuleList(messages)

    @classmethod
    def of_perceptrons(
        cls,
        event: tuple[int, ...],
        latent_dims: Sequence[int],
        head: Head,
        hidden: int = 128,
        **options: float,
    ) -> "LadderVAE":
        """One hidden layer for each level's features and each decoder, affine messages."""
        size = torch.Size(event).numel()
        paths = [nn.Sequential(mlp(hidden, (), hidden), nn.SiLU()) for _ in latent_dims]
        paths[0] = nn.Sequential(Inputs(head), mlp(size, (), hidden), nn.SiLU())
        messages = [nn.Linear(hidden, 2 * size) for size in latent_dims]
        decoders = perceptron_decoders(size, latent_dims, head, hidden)
        return cls(paths, messages, decoders, head, latent_dims, event, **options)

    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> LevelChain:
        """The encoder q(z_L | x) Π_l q(z_l | z_{l+1}, x), drawn from the top down.

        Accuracy:
            Estimate of p(z | x).
        """
        features, messages = x, []
        for path, message in zip(self.paths, self.messages, strict=True):
            features = path(features)
            messages.append(DiagonalGaussian(*message(features).chunk(2, -1)))

        def given(level: int, above: Tensor | None) -> DiagonalGaussian:
            if above is None:
                return messages[level]
            return precision_weighted(messages[level], self.prior_given(level, above))

        return LevelChain(self.latent_dims, True, given)
