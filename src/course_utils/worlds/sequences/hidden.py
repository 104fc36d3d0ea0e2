"""Hidden Markov sources: a first-order chain that is not seen emits one symbol per step.

The symbols alone remember infinitely far back, so no n-gram model of any order is exact; the sum
over hidden paths is nevertheless one pass over the sequence, because given z_t the past and the
future are independent.
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
from course_utils.tasks import nothing_to_learn
from course_utils.worlds.sequences.markov import MarkovSource

_MOST_ENUMERATED = 10_000_000


@dataclass(frozen=True, eq=False)
class HiddenMarkovSource:
    """Source with p(x, z) = p(z_1) E[z_1, x_1] Π_{t>1} A[z_{t−1}, z_t] E[z_t, x_t].

    Args:
        transition: A, axes (z_{t−1}, z_t), rows sum to one; Z hidden states.
        emission: E, axes (z_t, x_t), rows sum to one; S symbols.
        initial: p(z_1); without it the stationary distribution of A.

    Raises:
        ArgumentError: If shapes disagree or a row does not sum to one.

    Source:
        [rabiner1989tutorial].
    """

    transition: Float[Tensor, "states states"]
    emission: Float[Tensor, "states symbols"]
    initial: Float[Tensor, " states"] | None = None

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        chain = MarkovSource(self.transition, self.initial)
        object.__setattr__(self, "initial", chain.initial)
        same = {"dtype": self.transition.dtype, "device": self.transition.device}
        check_tensor("emission", self.emission, shape=(self.num_states, "symbols"), **same)
        check_probabilities("emission", self.emission)

    @classmethod
    def random(
        cls,
        num_states: int,
        num_symbols: int,
        generator: torch.Generator | None = None,
        concentration: float = 1.0,
    ) -> "HiddenMarkovSource":
        """Draw all rows of A and E from the symmetric Dirichlet distribution, in float64."""
        check_int("num_states", num_states, low=2)
        check_int("num_symbols", num_symbols, low=2)
        transition = sample_dirichlet((num_states, num_states), concentration, generator)
        return cls(
            transition, sample_dirichlet((num_states, num_symbols), concentration, generator)
        )

    @property
    def num_states(self) -> int:
        """Number Z of hidden states."""
        return self.transition.shape[0]

    @property
    def num_symbols(self) -> int:
        """Size S of the alphabet."""
        return self.emission.shape[1]

    def forward(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length states"]:
        """Forward messages log α_t(z) = log p(x_1 … x_t, z_t = z).

        Source:
            [rabiner1989tutorial].
        """
        self._check("x", x)
        emitted, log_transition = self.emission.log().T[x], self.transition.log()
        message = self.initial.log() + emitted[:, 0]
        messages = [message]
        for t in range(1, x.shape[1]):
            predicted = (message.unsqueeze(-1) + log_transition).logsumexp(1)
            message = predicted + emitted[:, t]
            messages.append(message)
        return torch.stack(messages, 1)

    def backward(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length states"]:
        """Backward messages log β_t(z) = log p(x_{t+1} … x_n | z_t = z).

        Source:
            [rabiner1989tutorial].
        """
        self._check("x", x)
        emitted, log_transition = self.emission.log().T[x], self.transition.log()
        message = torch.zeros_like(emitted[:, 0])
        messages = [message]
        for t in range(x.shape[1] - 1, 0, -1):
            message = (log_transition + (emitted[:, t] + message).unsqueeze(1)).logsumexp(-1)
            messages.append(message)
        return torch.stack(messages[::-1], 1)

    def log_prob(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, " batch"]:
        """Log probability log p(x) = log Σ_z p(x, z), by the forward recursion.

        Args:
            x: Symbols 0 … S−1.

        Returns:
            Nats per sequence, ≤ 0.

        Accuracy:
            Exact; the cost grows like length · Z².
        """
        return self.forward(x)[:, -1].logsumexp(-1)

    def posterior(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length states"]:
        """Smoothed state probabilities p(z_t | x_1 … x_n) ∝ α_t(z) β_t(z).

        Returns:
            Probabilities, summing to one over the last axis.

        Accuracy:
            Exact.
        """
        return (self.forward(x) + self.backward(x)).softmax(-1)

    def viterbi(
        self, x: Int[Tensor, "batch length"]
    ) -> tuple[Int[Tensor, "batch length"], Float[Tensor, " batch"]]:
        """Most probable path argmax_z p(z_1 … z_n | x) and log p(x, z) of it, in nats.

        The forward recursion with the largest term in place of the sum, and a note of which
        previous state it came from; reading the notes backwards gives the path. It need not pass
        through the state that is most probable at a step by itself, see ``posterior``.

        Accuracy:
            Exact; of several best paths one is returned.

        Source:
            [viterbi1967error], [rabiner1989tutorial].
        """
        self._check("x", x)
        emitted, log_transition = self.emission.log().T[x], self.transition.log()
        best, came_from = self.initial.log() + emitted[:, 0], []
        for t in range(1, x.shape[1]):
            best, previous = (best.unsqueeze(-1) + log_transition).max(1)
            best = best + emitted[:, t]
            came_from.append(previous)
        log_joint, state = best.max(-1)
        path = [state]
        for previous in reversed(came_from):
            path.append(previous.gather(1, path[-1].unsqueeze(1)).squeeze(1))
        return torch.stack(path[::-1], 1), log_joint

    def conditional(self, prefix: Int[Tensor, "batch prefix"]) -> Float[Tensor, "batch symbols"]:
        """Next-symbol distribution p(x_t | x_1 … x_{t−1}); the prefix may be empty.

        Accuracy:
            Exact.
        """
        return self._next_states(prefix) @ self.emission

    def sample(
        self,
        num_samples: int,
        *,
        length: int,
        condition: Int[Tensor, " prefix"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples length"]:
        """Draw sequences of symbols, from the start or as continuations of a prefix.

        Args:
            num_samples: How many.
            length: Symbols per sequence, the prefix included.
            condition: The first symbols, common to all sequences.
            generator: Source of randomness on the source's device.

        Returns:
            Symbols, int64.

        Accuracy:
            Exact: the hidden state after the prefix is drawn from its posterior.
        """
        return self.sample_with_states(
            num_samples, length=length, condition=condition, generator=generator
        )[0]

    def sample_with_states(
        self,
        num_samples: int,
        *,
        length: int,
        condition: Int[Tensor, " prefix"] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Int[Tensor, "num_samples length"], Int[Tensor, "num_samples length"]]:
        """As ``sample``, with the hidden states beside the symbols (−1 over a given prefix)."""
        check_int("num_samples", num_samples, low=1)
        if condition is None:
            condition = torch.zeros(0, dtype=torch.int64, device=self.transition.device)
        elif condition.numel() > 0:
            self._check("condition", condition, shape=("prefix",))
        start = len(condition)
        check_int("length", length, low=max(1, start))
        x = torch.zeros(num_samples, length, dtype=torch.int64, device=self.transition.device)
        x[:, :start] = condition
        z = torch.full_like(x, -1)
        state_probs = self._next_states(x[:, :start])
        for t in range(start, length):
            z[:, t] = sample_categorical(state_probs.log(), generator)
            x[:, t] = sample_categorical(self.emission[z[:, t]].log(), generator)
            state_probs = self.transition[z[:, t]]
        return x, z

    def entropy(self, length: int) -> Float[Tensor, ""]:
        """Entropy H(x_1, …, x_n) of the first ``length`` symbols, by enumerating all S^n.

        Returns:
            Nats per sequence.

        Raises:
            ArgumentError: If the enumeration needs more than ten million numbers.

        Accuracy:
            Exact.
        """
        return _table_entropy(self._joint(self.initial.unsqueeze(0), length))

    def entropy_rate_bounds(self, length: int) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Bounds H(x_n | x_<n, z_1) ≤ h ≤ H(x_n | x_<n) on the stationary source's entropy rate.

        Both conditional entropies come from enumerating all S^n sequences, and close in on h
        geometrically fast as n grows.

        Args:
            length: n ≥ 2.

        Returns:
            Lower and upper bound in nats per symbol.

        Raises:
            ArgumentError: If the enumeration needs more than ten million numbers.

        Accuracy:
            Exact bounds.

        Source:
            [cover2006elements].
        """
        check_int("length", length, low=2)
        start = torch.diag(MarkovSource(self.transition).stationary())
        shorter, longer = (self._joint(start, n) for n in (length - 1, length))
        lower = _table_entropy(longer) - _table_entropy(shorter)
        upper = _table_entropy(longer.sum(0)) - _table_entropy(shorter.sum(0))
        return lower, upper

    def _joint(self, start: Tensor, length: int) -> Tensor:
        """Table p(c, x_1 … x_n), axes (c, all S^n sequences), from ``start`` = p(c, z_1)."""
        size = start.numel() * self.num_symbols ** check_int("length", length, low=1)
        if size > _MOST_ENUMERATED:
            raise ArgumentError(
                f"length: expected an enumeration of at most {_MOST_ENUMERATED}, got {size}"
            )
        table = start.unsqueeze(1) * self.emission.T
        for _ in range(length - 1):
            moved = (table @ self.transition).unsqueeze(2)
            table = (moved * self.emission.T).flatten(1, 2)
        return table.sum(-1)

    def _next_states(self, prefix: Tensor) -> Tensor:
        if prefix.shape[1] == 0:
            return self.initial.expand(len(prefix), -1)
        return self.forward(prefix)[:, -1].softmax(-1) @ self.transition

    def _check(self, name: str, x: Tensor, shape: tuple[str, ...] = ("batch", "length")) -> None:
        highest, device = self.num_symbols - 1, self.transition.device
        check_tensor(name, x, shape=shape, dtype="integer", device=device, low=0, high=highest)


def _table_entropy(probs: Tensor) -> Tensor:
    return categorical_entropy(probs.log().flatten())
