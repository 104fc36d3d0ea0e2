r"""Hierarchies of latent vectors: p(x, z_1, …, z_L) = p(x | z_1) Π_l p(z_l | z_{l+1}) p(z_L).

The levels are stacked into one latent vector z = (z_1, …, z_L), the lowest first, so everything
that ``LatentVariableModel`` derives from the joint and the encoder holds for a hierarchy too. New
is that prior and encoder draw one level after the other. Both are a ``LevelChain``.

The bound has one rate for each level, E_q[log q(z_l | ·) − log p(z_l | z_{l+1})]. Where q draws z_l
after z_{l+1}, as the prior does, the inner mean is a divergence with a closed form. Where q draws
z_l first, as an encoder from the bottom up does, it is not a divergence and has to be sampled.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent.base import BoundTerms, LatentVariableModel
from course_utils.models.latent.level_chain import LevelChain
from course_utils.models.latent.vae import Inputs
from course_utils.nets.mlp import mlp
from course_utils.samplers.decoding import Head


class Hierarchy(LatentVariableModel):
    """Generative half of a hierarchy; a subclass says how the levels are inferred.

    Args:
        decoders: First from z_1 to the head's parameters of all variables, then from z_{l+1} to
            mean and log standard deviation of z_l, ``(batch, 2 * latent_dims[l - 1])``.
        head: The law of one variable given its parameters.
        latent_dims: Sizes of z_1, …, z_L.
        event: Shape of one example.
        warmup_steps: Steps over which the weight of the rate rises from 0 to 1 in ``loss``.
        free_nats: Nats of each level's mean rate that ``loss`` does not charge.

    Raises:
        ArgumentError: There is not one decoder for each level, or a number is out of range.
    """

    steps: Tensor

    def __init__(
        self,
        decoders: Sequence[nn.Module],
        head: Head,
        latent_dims: Sequence[int],
        event: tuple[int, ...],
        *,
        warmup_steps: int = 0,
        free_nats: float = 0.0,
    ):
        self_dims = tuple(check_int("latent_dims", size, low=1) for size in latent_dims)
        super().__init__(sum(self_dims), event)
        if len(decoders) != len(self_dims):
            raise ArgumentError(
                f"decoders: expected one for each of {len(self_dims)} levels, got {len(decoders)}"
            )
        self.latent_dims, self.head = self_dims, head
        self.decoders = nn.ModuleList(decoders)
        self.warmup_steps = check_int("warmup_steps", warmup_steps, low=0)
        self.free_nats = check_number("free_nats", free_nats, low=0)
        self.register_buffer("steps", torch.tensor(0))

    @property
    def prior(self) -> LevelChain:
        """The law of all levels, drawn from the top down, N(0, I) at the top."""
        return LevelChain(self.latent_dims, True, self.prior_given)

    def prior_given(self, level: int, above: Tensor | None) -> DiagonalGaussian:
        """The law p(z_l | z_{l+1}) of a level (0 is the lowest), N(0, I) for the top."""
        if above is None:
            return DiagonalGaussian.standard(self.latent_dims[-1], next(self.parameters()))
        return _law(self.decoders[level + 1], above)

    @abstractmethod
    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> LevelChain:
        """The encoder q(z | x) of all levels, a chain in its own order.

        Accuracy:
            Estimate: as close to p(z | x) as the encoder's family and training allow.
        """

    def log_likelihood(
        self, x: Shaped[Tensor, "batch *event"], z: Float[Tensor, "samples batch latent"]
    ) -> Float[Tensor, "samples batch"]:
        """log p(x | z_1) in nats, summed over the variables of an example.

        Accuracy:
            Exact.
        """
        params = self.decode(z)
        return self.head.log_prob(params, x.expand(params.shape[:-1])).flatten(2).sum(-1)

    def decode(self, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "..."]:
        """The head's parameters of every variable; of the stacked levels only z_1 enters."""
        check_tensor("z", z, shape=("...", self.latent_dim), dtype="float", finite=False)
        lowest = z[..., : self.latent_dims[0]]
        params = self.decoders[0](lowest.reshape(-1, self.latent_dims[0]))
        return params.reshape(*z.shape[:-1], *self.event, self.head.num_params)

    def sample_given(
        self, z: Float[Tensor, "batch latent"], generator: torch.Generator | None = None
    ) -> Shaped[Tensor, "batch *event"]:
        """Draw every variable from its head, x ~ p(x | z_1).

        Accuracy:
            Exact.
        """
        with torch.no_grad():
            return self.head.sample(self.decode(z), generator)

    def bound_terms(
        self,
        x: Shaped[Tensor, "batch *event"],
        num_samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> BoundTerms:
        r"""Distortion and the rate of each coordinate, all levels stacked.

        The rate is the mean over draws of KL(q(z_l | ·) ‖ p(z_l | z_{l+1})) where q draws z_l after
        z_{l+1} or z_l is the top level, and of log q(z_l | ·) − log p(z_l | z_{l+1}) elsewhere.

        Raises:
            ArgumentError: ``x`` does not have the model's event shape.

        Accuracy:
            Unbiased; a sampled rate may be negative.
        """
        check_tensor("x", x, shape=("batch", *self.event))
        posterior = self.posterior(x)
        z = posterior.sample(num_samples, generator)
        levels = z.split(self.latent_dims, -1)
        rates = []
        laws = zip(posterior.laws(z), self.prior.laws(z), levels, strict=True)
        for level, (q, p, value) in enumerate(laws):
            if posterior.from_top or level == len(levels) - 1:
                rate = q.kl_terms(p)
            else:
                rate = q.log_prob_terms(value) - p.log_prob_terms(value)
            rates.append(rate.expand(value.shape).mean(0))
        return BoundTerms(self.log_likelihood(x, z), torch.cat(rates, -1))

    def level_rates(
        self,
        x: Shaped[Tensor, "batch *event"],
        num_samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch levels"]:
        """Rate of each level, E_q[log q(z_l | ·) − log p(z_l | z_{l+1})], lowest first, in nats.

        Accuracy:
            Unbiased. A rate near zero at the top says that the top level is not used.
        """
        return self._by_level(self.bound_terms(x, num_samples, generator).rate)

    def loss(self, batch: Shaped[Tensor, "batch *event"]) -> dict[str, Tensor]:
        r"""Mean distortion plus β Σ_l max(R_l, free_nats), R_l the mean rate of level l.

        β rises from 0 to 1 over the first ``warmup_steps`` calls in training mode; without warm-up
        and free nats the total is the mean of −ELBO.

        Returns:
            ``total``: nats per example, what is minimised. ``distortion``: mean of −log p(x | z_1).
            ``rate``: Σ_l R_l. ``rate_1``, …: R_l.

        Source:
            [sonderby2016ladder] for the warm-up, [kingma2016improved] for the free nats.
        """
        terms = self.bound_terms(batch, self.num_samples)
        distortion = -terms.log_likelihood.mean()
        rates = self._by_level(terms.rate).mean(0)
        weight = torch.ones_like(distortion)
        if self.warmup_steps and self.training:
            weight = (self.steps / self.warmup_steps).clamp(max=1)
            self.steps += 1
        charged = rates.clamp_min(self.free_nats) if self.free_nats else rates
        named = {f"rate_{level}": rate for level, rate in enumerate(rates, 1)}
        total = distortion + weight * charged.sum()
        return {"total": total, "distortion": distortion, "rate": rates.sum(), **named}

    def _by_level(self, rate: Tensor) -> Tensor:
        return torch.stack([part.sum(-1) for part in rate.split(self.latent_dims, -1)], -1)


class HierarchicalVAE(Hierarchy):
    """Hierarchy inferred from the bottom up, q(z | x) = q(z_1 | x) Π_l q(z_{l+1} | z_l).

    Args:
        encoders: First from x to mean and log standard deviation of z_1, then from z_l to those of
            z_{l+1}.
        decoders: As in ``Hierarchy``, and so are ``head``, ``latent_dims``, ``event``, ``options``.

    Source:
        [burda2016importance], [sonderby2016ladder].
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        head: Head,
        latent_dims: Sequence[int],
        event: tuple[int, ...],
        **options: float,
    ):
        super().__init__(decoders, head, latent_dims, event, **options)
        if len(encoders) != len(decoders):
            raise ArgumentError(
                f"encoders: expected one for each of {len(decoders)} levels, got {len(encoders)}"
            )
        self.encoders = nn.ModuleList(encoders)

    @classmethod
    def of_perceptrons(
        cls,
        event: tuple[int, ...],
        latent_dims: Sequence[int],
        head: Head,
        hidden: int = 128,
        **options: float,
    ) -> "HierarchicalVAE":
        """All encoders and decoders as perceptrons with one hidden layer."""
        size = torch.Size(event).numel()
        sizes = [size, *latent_dims]
        pairs = list(zip(sizes, latent_dims, strict=False))
        encoders: list[nn.Module] = [mlp(a, (hidden,), 2 * b) for a, b in pairs]
        encoders[0] = nn.Sequential(Inputs(head), encoders[0])
        return cls(
            encoders, perceptron_decoders(size, latent_dims, head, hidden), head, latent_dims,
            event, **options,
        )  # fmt: skip

    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> LevelChain:
        """The encoder q(z_1 | x) Π_l q(z_{l+1} | z_l), drawn from the bottom up.

        Accuracy:
            Estimate of p(z | x).
        """

        def given(level: int, below: Tensor | None) -> DiagonalGaussian:
            return _law(self.encoders[level], x if below is None else below)

        return LevelChain(self.latent_dims, False, given)


def perceptron_decoders(
    num_variables: int, latent_dims: Sequence[int], head: Head, hidden: int
) -> list[nn.Module]:
    """Decoders of a hierarchy as perceptrons with one hidden layer, lowest first."""
    outputs = [num_variables * head.num_params, *(2 * size for size in latent_dims[:-1])]
    return [mlp(size, (hidden,), output) for size, output in zip(latent_dims, outputs, strict=True)]


def _law(network: nn.Module, given: Tensor) -> DiagonalGaussian:
    """The Gaussian whose mean and log standard deviation a network emits side by side."""
    return DiagonalGaussian(*network(given).chunk(2, -1))
