"""A joint distribution of a few discrete variables, written out as a table.

With d variables of K_1, …, K_d levels the table has K_1 ⋯ K_d entries, and every question about
it (a marginal, a conditional, an entropy, a mutual information) is a sum over entries. That makes
it the yardstick for models of discrete data: what they only approximate can be read off here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import (
    categorical_entropy,
    check_probabilities,
    sample_categorical,
    sample_dirichlet,
)
from course_utils.tasks import nothing_to_learn


@dataclass(frozen=True, eq=False)
class TableWorld:
    """Joint table p(x_1, …, x_d) of d discrete variables.

    Args:
        probs: p, axis i indexes the K_i levels of x_i; entries ≥ 0, sum 1.

    Raises:
        ArgumentError: If an entry is negative or the sum is not one.
    """

    probs: Float[Tensor, "..."]

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        check_probabilities("probs", self.probs, num_axes=self.probs.ndim)

    @classmethod
    def random(
        cls,
        levels: Sequence[int],
        generator: torch.Generator | None = None,
        concentration: float = 1.0,
    ) -> "TableWorld":
        """Draw a table from the symmetric Dirichlet distribution.

        Args:
            levels: (K_1, …, K_d).
            generator: Source of randomness; its device is the table's device.
            concentration: Dirichlet parameter α > 0; small values concentrate the mass.

        Returns:
            A world in float64.
        """
        shape = tuple(check_int("levels", k, low=1) for k in levels)
        flat = sample_dirichlet((torch.Size(shape).numel(),), concentration, generator)
        return cls(flat.reshape(shape))

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of levels (K_1, …, K_d)."""
        return tuple(self.probs.shape)

    @property
    def num_variables(self) -> int:
        """Number of variables d."""
        return self.probs.ndim

    def states(self) -> Int[Tensor, "states d"]:
        """All K_1 ⋯ K_d states, the last variable running fastest (as ``probs.flatten()``)."""
        axes = [torch.arange(k, device=self.probs.device) for k in self.levels]
        return torch.cartesian_prod(*axes).reshape(-1, self.num_variables)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " d"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples d"]:
        """Draw x ~ p(x), or x ~ p(x | the observed part of ``condition``).

        Args:
            num_samples: How many.
            condition: One state in which −1 marks the variables to be drawn.
            generator: Source of randomness on the table's device.

        Returns:
            States, int64.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        if condition is None:
            condition = torch.full((self.num_variables,), -1, device=self.probs.device)
        hidden = self._hidden(condition.unsqueeze(0))
        table = self.posterior(condition.unsqueeze(0))[0]
        logits = table.log().flatten().expand(num_samples, -1)
        drawn = torch.stack(torch.unravel_index(sample_categorical(logits, generator), table.shape))
        x = condition.expand(num_samples, -1).clone()
        x[:, list(hidden)] = drawn.T
        return x

    def log_prob(self, x: Int[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """Log probability log p(x).

        Args:
            x: States; x_i in 0 … K_i−1.

        Returns:
            Nats, ≤ 0; −inf for a state of probability zero.

        Accuracy:
            Exact.
        """
        self._check_states(x, low=0)
        return self.probs.log()[x.unbind(-1)]

    def posterior(self, x: Int[Tensor, "batch d"]) -> Float[Tensor, "batch ..."]:
        """Posterior table p(x_hidden | x_observed).

        Args:
            x: States in which −1 marks a hidden variable; the same variables in every row.

        Returns:
            One table per row over the hidden variables, in increasing order of their index.

        Raises:
            ArgumentError: If rows hide different variables or nothing is hidden, or if an
                observed part has probability zero.

        Accuracy:
            Exact.
        """
        hidden = self._hidden(x)
        observed = tuple(i for i in range(self.num_variables) if i not in hidden)
        joint = self.marginal(observed + hidden)[tuple(x[:, list(observed)].unbind(-1))]
        joint = joint if observed else joint.expand(len(x), *joint.shape)
        evidence = joint.flatten(1).sum(1)
        if bool((evidence == 0).any()):
            raise ArgumentError("x: expected an observed part that can occur, got probability 0")
        return joint / evidence.reshape(-1, *[1] * len(hidden))

    def entropy(self, axes: Iterable[int] | None = None) -> Float[Tensor, ""]:
        """Entropy H(x_axes) = −Σ p log p of all variables, or of those in ``axes``.

        Returns:
            Nats, ≥ 0.

        Accuracy:
            Exact.
        """
        table = self.probs if axes is None else self.marginal(axes)
        return categorical_entropy(table.log().flatten())

    def cross_entropy(self, model: "TableWorld") -> Float[Tensor, ""]:
        """Expected negative log-likelihood −Σ_x p(x) log q(x) of a model q under this world.

        Returns:
            Nats per state, ≥ H(x), with equality if and only if q = p.

        Accuracy:
            Exact.
        """
        return -torch.special.xlogy(self.probs, model.probs).sum()

    def marginal(self, axes: Iterable[int]) -> Float[Tensor, "..."]:
        """Marginal table p(x_axes), its axes in the order asked for.

        Args:
            axes: Distinct variable indices; none of them gives the number 1.

        Accuracy:
            Exact.
        """
        axes = self._axes(axes)
        rest = [i for i in range(self.num_variables) if i not in axes]
        summed = self.probs.sum(rest) if rest else self.probs
        kept = sorted(axes)
        return summed.permute([kept.index(i) for i in axes])

    def conditional(self, axis: int, given: Iterable[int] = ()) -> Float[Tensor, "... levels"]:
        """Conditional table p(x_axis | x_given).

        Args:
            axis: The variable i whose distribution is asked for.
            given: Indices of the variables conditioned on.

        Returns:
            One axis per conditioning variable in the order given, then the K_i levels of x_i;
            sums to one over the last axis. A context of probability zero gets the uniform
            distribution, since p does not determine one.

        Accuracy:
            Exact.
        """
        joint = self.marginal((*given, axis))
        context = joint.sum(-1, keepdim=True)
        uniform = torch.full_like(joint, 1 / joint.shape[-1])
        return torch.where(context > 0, joint / context, uniform)

    def mutual_information(
        self, a: Iterable[int], b: Iterable[int], given: Iterable[int] = ()
    ) -> Float[Tensor, ""]:
        """Conditional mutual information I(x_a; x_b | x_c) = H(ac) + H(bc) − H(abc) − H(c).

        Args:
            a: Indices of the first group.
            b: Indices of the second group.
            given: Indices c of the conditioning variables; none of them gives I(x_a; x_b).

        Returns:
            Nats, ≥ 0 up to rounding.

        Accuracy:
            Exact.

        Source:
            [cover2006elements].
        """
        a, b, c = tuple(a), tuple(b), tuple(given)
        return self.entropy(a + c) + self.entropy(b + c) - self.entropy(a + b + c) - self.entropy(c)

    def markov_restriction(self, order: Sequence[int], memory: int = 1) -> "TableWorld":
        """Best model q(x) = Π_i p(x_{o_i} | the ``memory`` variables before it in the order).

        Among all models in which each variable sees only its ``memory`` predecessors in the
        order o, this one has the smallest cross-entropy, and it exceeds H(x) by
        Σ_i I(x_{o_i}; x_{o_1} … x_{o_{i−m−1}} | x_{o_{i−m}} … x_{o_{i−1}}). With
        ``memory = d − 1`` nothing is forgotten and q = p for every order.

        Args:
            order: A permutation o of 0 … d−1.
            memory: m ≥ 0.

        Returns:
            The restricted joint, axes in the world's own order.

        Accuracy:
            Exact.

        Source:
            [cover2006elements].
        """
        order = self._axes(order)
        if len(order) != self.num_variables:
            raise ArgumentError(
                f"order: expected a permutation of 0 to {self.num_variables - 1}, got {order}"
            )
        check_int("memory", memory, low=0)
        joint = torch.ones_like(self.probs)
        for i, axis in enumerate(order):
            given = order[max(0, i - memory) : i]
            joint = joint * self._aligned(self.conditional(axis, given), (*given, axis))
        return TableWorld(joint)

    def _aligned(self, table: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Permute and pad a table over ``axes`` so that it broadcasts against the joint."""
        increasing = sorted(axes)
        table = table.permute([axes.index(i) for i in increasing])
        return table.reshape([k if i in axes else 1 for i, k in enumerate(self.levels)])

    def _axes(self, axes: Iterable[int]) -> tuple[int, ...]:
        axes = tuple(check_int("axes", int(i), low=0, high=self.num_variables - 1) for i in axes)
        if len(set(axes)) != len(axes):
            raise ArgumentError(f"axes: expected distinct variables, got {axes}")
        return axes

    def _hidden(self, x: Tensor) -> tuple[int, ...]:
        self._check_states(x, low=-1)
        hidden = x < 0
        if not bool(hidden.any()) or bool((hidden != hidden[0]).any()):
            raise ArgumentError("x: expected -1 at the same variables in every row, got otherwise")
        return tuple(hidden[0].nonzero().flatten().tolist())

    def _check_states(self, x: Tensor, low: int) -> None:
        shape, device = ("batch", self.num_variables), self.probs.device
        check_tensor("x", x, shape=shape, dtype="integer", device=device, low=low)
        for i, k in enumerate(self.levels):
            check_tensor(f"x[:, {i}]", x[:, i], high=k - 1)
