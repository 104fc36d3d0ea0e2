r"""Tosses of unknown coins: a mixture of Bernoullis in which nothing is known but priors.

    θ_i ~ Beta(α, β)  for each of k coins,    π ~ Dirichlet(γ),
    z_j ~ Categorical(π)  and  x_jd ~ Bernoulli(θ_{z_j})  for each of N rows of D tosses.

Both priors are conjugate, so that θ and π integrate out in closed form. What is left is a law over
which coin made which row, a finite sum: k^N assignments, each with its exact probability.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Beta, Dirichlet
from torch.nn.functional import one_hot

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.distributions import sample_categorical
from course_utils.samplers.enumeration import sequences
from course_utils.tasks import absent


@dataclass(frozen=True)
class CoinTosses:
    """N rows of D tosses, each row with one of k coins that nobody has seen.

    Args:
        rows: N.
        tosses: D, tosses per row; 1 is the classical mixture of Bernoullis.
        coins: k.
        heads: α > 0, prior heads of each coin.
        tails: β > 0, prior tails of each coin.
        weight: γ > 0, prior count of each coin's use.

    Raises:
        ArgumentError: A number is out of range.

    Source:
        [neal2000markov].
    """

    rows: int
    tosses: int = 1
    coins: int = 2
    heads: float = 1.0
    tails: float = 1.0
    weight: float = 1.0

    loss = absent(
        "learn",
        "its parameters are random variables with priors, and are inferred.",
        "the chapter on graphical models (week 0)",
    )

    def __post_init__(self) -> None:
        for name in ("rows", "tosses", "coins"):
            check_int(name, getattr(self, name), low=1)
        for name in ("heads", "tails", "weight"):
            check_number(name, getattr(self, name), low=0, open_low=True)

    def generate(
        self, num_samples: int, generator: torch.Generator | None = None
    ) -> tuple[
        Int[Tensor, "samples rows tosses"],
        Int[Tensor, "samples rows"],
        Float[Tensor, "samples coins"],
        Float[Tensor, "samples coins"],
    ]:
        """Run the program: tosses x, coins used z, heads probabilities θ, shares π.

        Accuracy:
            Exact: ancestral, parents before children.
        """
        check_int("num_samples", num_samples, low=1)
        device = None if generator is None else generator.device
        shape = (num_samples, self.coins)

        def gamma(concentration: float) -> Tensor:
            like = torch.full(shape, concentration, dtype=torch.float64, device=device)
            return torch._standard_gamma(like, generator=generator).clamp_min(1e-300)

        heads, tails, use = gamma(self.heads), gamma(self.tails), gamma(self.weight)
        theta, shares = heads / (heads + tails), use / use.sum(-1, keepdim=True)
        z = sample_categorical(shares.log()[:, None].expand(-1, self.rows, -1), generator)
        probs = theta.gather(1, z)[..., None].expand(-1, -1, self.tosses)
        uniform = torch.empty_like(probs).uniform_(generator=generator)
        return (uniform < probs).long(), z, theta, shares

    def sample(
        self,
        num_samples: int,
        *,
        condition: None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "samples rows tosses"]:
        """Draw whole data sets x, each with coins of its own.

        Accuracy:
            Exact.
        """
        return self.generate(num_samples, generator)[0]

    def log_joint(
        self, x: Int[Tensor, "*#batch rows tosses"], z: Int[Tensor, "*#batch rows"]
    ) -> Float[Tensor, "..."]:
        r"""Return log p(x, z) with θ and π integrated out, in nats; leading axes broadcast.

        With n_i rows given to coin i, and h_i heads and t_i tails in them,

            log B(γ + n) / B(γ) + \sum_i log B(α + h_i, β + t_i) / B(α, β),

        where B is the beta function, of two or of k arguments.

        Accuracy:
            Exact.
        """
        used = one_hot(z, self.coins).double()
        heads = (used * x.sum(-1, keepdim=True)).sum(-2)
        count = used.sum(-2)
        prior = torch.full_like(count, self.weight)
        marginal = log_beta(torch.stack([self.heads + heads, self._tails(count, heads)], -1))
        before = log_beta(count.new_tensor([self.heads, self.tails]))
        return log_beta(prior + count) - log_beta(prior) + (marginal - before).sum(-1)

    def assignments(self) -> Int[Tensor, "assignments rows"]:
        """All k^N assignments of rows to coins, in lexicographic order."""
        return sequences(self.coins, self.rows)

    def log_prob(self, x: Int[Tensor, "batch rows tosses"]) -> Float[Tensor, " batch"]:
        r"""Return log p(x) = log \sum_z p(x, z) of whole data sets in nats.

        Accuracy:
            Exact; the sum has k^N terms.
        """
        return self._all_joints(x).logsumexp(-1)

    def posterior(self, x: Int[Tensor, "batch rows tosses"]) -> Float[Tensor, "batch assignments"]:
        """Return p(z | x) over all ``assignments``.

        Accuracy:
            Exact; the table has k^N entries.
        """
        return self._all_joints(x).softmax(-1)

    def gibbs(
        self,
        x: Int[Tensor, "rows tosses"],
        num_sweeps: int,
        *,
        num_chains: int = 1,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "sweeps chains rows"]:
        r"""Collapsed Gibbs sampling: redraw each z_j in turn, given all the others.

            p(z_j = i | others) ∝ (γ + n_i) B(α + h_i + h_j, β + t_i + t_j) / B(α + h_i, β + t_i),

        where n_i, h_i and t_i count the other rows that coin i has now.

        Args:
            x: One data set.
            num_sweeps: Sweeps over all rows.
            num_chains: Independent chains, started from uniform assignments.
            generator: Source of randomness.

        Returns:
            The assignments after each sweep.

        Accuracy:
            Leaves p(z | x) invariant; draws of one chain are correlated.

        Source:
            [neal2000markov].
        """
        self._check(x[None])
        check_int("num_sweeps", num_sweeps, low=1)
        check_int("num_chains", num_chains, low=1)
        heads = x.sum(-1).double()
        start = torch.zeros(num_chains, self.rows, self.coins, dtype=torch.float64, device=x.device)
        used = one_hot(sample_categorical(start, generator), self.coins).double()
        kept = []
        for _ in range(num_sweeps):
            for j in range(self.rows):
                used[:, j] = 0
                logits = self._conditional(used, heads, j)
                used[:, j] = one_hot(sample_categorical(logits, generator), self.coins).double()
            kept.append(used.argmax(-1))
        return torch.stack(kept)

    def _conditional(self, used: Tensor, heads: Tensor, j: int) -> Tensor:
        """Logits of z_j, axes (chains, coins), where row j is given to no coin."""
        count, h = used.sum(1), (used * heads[:, None]).sum(1)
        before = torch.stack([self.heads + h, self._tails(count, h)], -1)
        more = torch.stack([heads[j], self.tosses - heads[j]])
        return (self.weight + count).log() + log_beta(before + more) - log_beta(before)

    def coin_posterior(
        self, x: Int[Tensor, "rows tosses"], z: Int[Tensor, "rows"]
    ) -> tuple[Beta, Dirichlet]:
        """Return p(θ | x, z), a Beta for each coin, and p(π | z): the conjugate updates.

        Accuracy:
            Exact.
        """
        used = one_hot(z, self.coins).double()
        heads, count = (used * x.sum(-1, keepdim=True)).sum(0), used.sum(0)
        return (
            Beta(self.heads + heads, self._tails(count, heads)),
            Dirichlet(self.weight + count),
        )

    def _tails(self, count: Tensor, heads: Tensor) -> Tensor:
        return self.tails + count * self.tosses - heads

    def _all_joints(self, x: Tensor) -> Tensor:
        self._check(x)
        return self.log_joint(x[:, None], self.assignments().to(x.device)[None])

    def _check(self, x: Tensor) -> None:
        shape = ("batch", self.rows, self.tosses)
        check_tensor("x", x, shape=shape, dtype="integer", low=0, high=1)


def log_beta(a: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch"]:
    r"""Return log B(a) = \sum_i log Γ(a_i) - log Γ(\sum_i a_i), the Dirichlet's normaliser.

    Accuracy:
        Exact.
    """
    return a.lgamma().sum(-1) - a.sum(-1).lgamma()
