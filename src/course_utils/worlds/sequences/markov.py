"""Markov sources: the next symbol depends on the last k symbols and on nothing else.

A source of order k over S symbols is one table of S^k × S numbers. Read as a chain on contexts
(the last k symbols), it is an ordinary first-order chain on S^k states, and everything about its
long run (stationary distribution, entropy rate, speed of mixing) is linear algebra on that chain.
"""

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
from course_utils.tasks import absent, nothing_to_learn


@dataclass(frozen=True, eq=False)
class MarkovSource:
    """Source with p(x_t | x_<t) = T[x_{t−k}, …, x_{t−1}, x_t].

    Args:
        transition: T, k context axes (oldest first) and then the next symbol, each of size S;
            sums to one over the last axis.
        initial: Joint distribution of the first k symbols, k axes of size S; without it the
            stationary one, so that the source is stationary from its first symbol.

    Raises:
        ArgumentError: If the axes differ in size, a row does not sum to one, or ``initial`` is
            missing and the stationary distribution is not unique.

    Source:
        [shannon1948mathematical].
    """

    transition: Float[Tensor, "..."]
    initial: Float[Tensor, "..."] | None = None

    loss = nothing_to_learn
    posterior = absent(
        "infer",
        "every symbol of a Markov source is observed.",
        "the chapter on the chain rule (week 1)",
    )

    def __post_init__(self) -> None:
        check_probabilities("transition", self.transition)
        shape = tuple(self.transition.shape)
        if len(shape) < 2 or len(set(shape)) != 1:
            raise ArgumentError(f"transition: expected two or more equal axes, got shape {shape}")
        if self.initial is None:
            object.__setattr__(self, "initial", self.stationary())
        same = {"dtype": self.transition.dtype, "device": self.transition.device}
        check_tensor("initial", self.initial, shape=shape[1:], **same)
        check_probabilities("initial", self.initial, num_axes=self.order)

    @classmethod
    def random(
        cls,
        num_symbols: int,
        order: int = 1,
        generator: torch.Generator | None = None,
        concentration: float = 1.0,
    ) -> "MarkovSource":
        """Draw every row of the transition table from the symmetric Dirichlet distribution.

        Args:
            num_symbols: S ≥ 2.
            order: k ≥ 1.
            generator: Source of randomness; its device is the source's device.
            concentration: Dirichlet parameter α > 0; small values make symbols predictable.

        Returns:
            A stationary source in float64.
        """
        check_int("num_symbols", num_symbols, low=2)
        check_int("order", order, low=1)
        return cls(sample_dirichlet((num_symbols,) * (order + 1), concentration, generator))

    @property
    def order(self) -> int:
        """Number k of symbols the source remembers."""
        return self.transition.ndim - 1

    @property
    def num_symbols(self) -> int:
        """Size S of the alphabet."""
        return self.transition.shape[-1]

    def context_chain(self) -> Float[Tensor, "contexts contexts"]:
        """Transition matrix P of the first-order chain on contexts.

        Row (a_1, …, a_k) moves to (a_2, …, a_k, b) with probability T[a_1, …, a_k, b]; contexts
        are numbered with the newest symbol running fastest. For k = 1 this is T itself.
        """
        num_contexts = self.num_symbols**self.order
        rows = torch.arange(num_contexts, device=self.transition.device)
        chain = self.transition.new_zeros(num_contexts, num_contexts)
        kept = (rows % (num_contexts // self.num_symbols)) * self.num_symbols
        symbols = torch.arange(self.num_symbols, device=self.transition.device)
        chain[rows[:, None], kept[:, None] + symbols] = self.transition.flatten(0, -2)
        return chain

    def stationary(self) -> Float[Tensor, "..."]:
        """Stationary distribution π of the last k symbols: π = π P, Σ π = 1.

        Both equations at once are the linear system (I − Pᵀ + 1 1ᵀ) π = 1, which has one
        solution exactly when the stationary distribution is unique.

        Returns:
            Probabilities, k axes of size S; for k = 1 the long-run symbol frequencies.

        Raises:
            ArgumentError: If the chain has several closed classes, hence several solutions.

        Accuracy:
            Exact up to rounding.
        """
        chain = self.context_chain()
        system = torch.eye(len(chain), dtype=chain.dtype, device=chain.device) - chain.T + 1
        if not bool(torch.linalg.cond(system, 1) * torch.finfo(chain.dtype).eps < 0.01):
            raise ArgumentError(
                "transition: expected one stationary distribution, got a chain with several"
            )
        solution = torch.linalg.solve(system, torch.ones_like(chain[0])).clamp_min(0)
        return (solution / solution.sum()).reshape(self.transition.shape[:-1])

    def second_eigenvalue(self) -> Float[Tensor, ""]:
        """Modulus |λ₂| of the second largest eigenvalue of P, in [0, 1].

        The distance of the rows of Pⁿ from π shrinks like |λ₂|ⁿ, so 1 / (1 − |λ₂|) is the time
        scale on which the source forgets where it started.

        Accuracy:
            Exact up to rounding.

        Source:
            [levin2017markov].
        """
        return torch.linalg.eigvals(self.context_chain()).abs().sort(descending=True).values[1]

    def entropy_rate(self) -> Float[Tensor, ""]:
        """Entropy rate h = Σ_c π(c) H(T[c, ·]), the floor of any model's loss per symbol.

        Returns:
            Nats per symbol; exp(h) is the smallest perplexity a model can reach.

        Accuracy:
            Exact.

        Source:
            [shannon1948mathematical].
        """
        return (self.stationary() * self._row_entropies()).sum()

    def entropy(self, length: int) -> Float[Tensor, ""]:
        """Entropy H(x_1, …, x_n) of the first ``length`` symbols, by the chain rule.

        Returns:
            Nats per sequence.

        Accuracy:
            Exact.
        """
        check_int("length", length, low=1)
        total = categorical_entropy(self._initial_marginal(min(length, self.order)).log().flatten())
        context, chain = self.initial.flatten(), self.context_chain()
        for _ in range(length - self.order):
            total = total + context @ self._row_entropies().flatten()
            context = context @ chain
        return total

    def conditional(self, prefix: Int[Tensor, "batch prefix"]) -> Float[Tensor, "batch symbols"]:
        """Next-symbol distribution p(x_t | x_1 … x_{t−1}).

        Args:
            prefix: The symbols so far; the length may be 0.

        Returns:
            Probabilities of the next symbol.

        Accuracy:
            Exact.
        """
        if prefix.shape[1] > 0:
            self._check("prefix", prefix)
        return self._next_probs(prefix)

    def log_prob(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, " batch"]:
        """Log probability log p(x_1, …, x_n) of whole sequences.

        Args:
            x: Symbols 0 … S−1.

        Returns:
            Nats per sequence, summed over symbols, ≤ 0.

        Accuracy:
            Exact.
        """
        self._check("x", x)
        start = min(x.shape[1], self.order)
        total = self._initial_marginal(start).log()[x[:, :start].unbind(-1)]
        if x.shape[1] > self.order:
            windows = x.unfold(1, self.order + 1, 1)
            total = total + self.transition.log()[windows.unbind(-1)].sum(1)
        return total

    def sample(
        self,
        num_samples: int,
        *,
        length: int,
        condition: Int[Tensor, " prefix"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples length"]:
        """Draw sequences x_1 … x_n, from the start or as continuations of a prefix.

        Args:
            num_samples: How many.
            length: n, the prefix included.
            condition: The first symbols, common to all sequences.
            generator: Source of randomness on the source's device.

        Returns:
            Symbols, int64.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        check_int("length", length, low=1)
        x = torch.zeros(num_samples, length, dtype=torch.int64, device=self.transition.device)
        start = 0
        if condition is not None:
            self._check("condition", condition, shape=("prefix",))
            start = check_int("len(condition)", len(condition), high=length)
            x[:, :start] = condition
        for t in range(start, length):
            x[:, t] = sample_categorical(self._next_probs(x[:, :t]).log(), generator)
        return x

    def _next_probs(self, prefix: Tensor) -> Tensor:
        seen = prefix.shape[1]
        if seen >= self.order:
            return self.transition[prefix[:, seen - self.order :].unbind(-1)]
        joint = self._initial_marginal(seen + 1)
        joint = joint[prefix.unbind(-1)] if seen else joint.expand(len(prefix), -1)
        return joint / joint.sum(-1, keepdim=True)

    def _check(self, name: str, x: Tensor, shape: tuple[str, ...] = ("batch", "length")) -> None:
        highest, device = self.num_symbols - 1, self.transition.device
        check_tensor(name, x, shape=shape, dtype="integer", device=device, low=0, high=highest)

    def _row_entropies(self) -> Tensor:
        return categorical_entropy(self.transition.log())

    def _initial_marginal(self, length: int) -> Tensor:
        """Distribution of the first ``length`` ≤ k symbols."""
        later = list(range(length, self.order))
        return self.initial.sum(later) if later else self.initial
