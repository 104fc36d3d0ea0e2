r"""Sources with one planted dependency, so that one can ask which network finds it.

    copies      a symbol repeats the one that stood a fixed number of steps before it
    parities    the last bit of every block is the parity of the others
    brackets    a closing bracket has to match the one that was opened last

Each is a small machine: what has been said so far leaves it in a state, and the state gives the
law of the next symbol. Everything else is that sentence written down once, in ``PlantedSource``.
How much the dependency is worth is known in closed form, since it is planted and alone.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.distributions import sample_categorical
from course_utils.tasks import absent, nothing_to_learn

State = Any
"""What a source remembers; one row for each sequence."""


class PlantedSource(ABC):
    """Source given as a machine: a first state, the law of the next symbol, the next state."""

    loss = nothing_to_learn
    posterior = absent(
        "infer",
        "every symbol of a planted source is observed.",
        "the chapter on architectures and dependencies (week 2)",
    )

    @property
    @abstractmethod
    def num_symbols(self) -> int:
        """Size S of the alphabet."""

    @abstractmethod
    def start(self, num_sequences: int, device: torch.device | str | None = None) -> State:
        """Return the state before the first symbol."""

    @abstractmethod
    def probs(self, state: State) -> Float[Tensor, "batch symbols"]:
        """Return p(x_t | state), float64."""

    @abstractmethod
    def advance(self, state: State, symbol: Int[Tensor, " batch"]) -> State:
        """Return the state after one more symbol."""

    @abstractmethod
    def entropy(self, length: int) -> float:
        """Return H(x_1, ..., x_n) in nats, exact."""

    def log_prob_terms(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length"]:
        """Return log p(x_t | x_<t) of every symbol in nats, exact.

        Raises:
            ArgumentError: ``x`` is empty, or a value is not a symbol.
        """
        check_tensor(
            "x", x, shape=("batch", "length"), dtype="integer", low=0, high=self.num_symbols - 1
        )
        state, terms = self.start(len(x), x.device), []
        for symbol in x.unbind(1):
            terms.append(self.probs(state).gather(1, symbol[:, None])[:, 0].log())
            state = self.advance(state, symbol)
        return torch.stack(terms, 1)

    def log_prob(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, " batch"]:
        """Return log p(x_1, ..., x_n) in nats per sequence, exact; minus infinity if it cannot be.

        Raises:
            ArgumentError: ``x`` is empty, or a value is not a symbol.
        """
        return self.log_prob_terms(x).sum(1)

    def sample(
        self,
        num_samples: int,
        *,
        length: int,
        condition: Int[Tensor, " prefix"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples length"]:
        """Draw sequences x_1 ... x_n, from the start or as continuations of a prefix.

        Args:
            num_samples: How many.
            length: n, the prefix included.
            condition: The first symbols, common to all sequences.
            generator: Source of randomness; the sequences are on its device.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        check_int("length", length, low=1)
        device = None if generator is None else generator.device
        state, drawn = self.start(num_samples, device), []
        given = () if condition is None else condition.unbind()
        for t in range(length):
            if t < len(given):
                symbol = given[t].expand(num_samples)
            else:
                symbol = sample_categorical(self.probs(state).log(), generator)
            drawn.append(symbol)
            state = self.advance(state, symbol)
        return torch.stack(drawn, 1)


@dataclass(frozen=True)
class CopySource(PlantedSource):
    """Symbols that repeat what stood L steps before them.

    p(x_t | x_<t) = 1/S for t <= L, and (1 - e) [x_t = x_{t-L}] + e/S afterwards.

    Args:
        symbols: S >= 2, the size of the alphabet.
        lag: L >= 1.
        noise: e in [0, 1], how often a symbol is drawn afresh.

    Raises:
        ArgumentError: An argument is out of range.
    """

    symbols: int
    lag: int
    noise: float = 0.0

    def __post_init__(self) -> None:
        check_int("symbols", self.symbols, low=2)
        check_int("lag", self.lag, low=1)
        check_number("noise", self.noise, low=0, high=1)

    @property
    def num_symbols(self) -> int:
        """Size S of the alphabet."""
        return self.symbols

    def start(self, num_sequences: int, device: torch.device | str | None = None) -> Tensor:
        """The last L symbols, oldest first; -1 where there was none."""
        return torch.full((num_sequences, self.lag), -1, device=device)

    def probs(self, state: Tensor) -> Float[Tensor, "batch symbols"]:
        """The law of a noisy copy of the oldest symbol kept, uniform if there is none."""
        copied, symbols = state[:, 0, None], torch.arange(self.symbols, device=state.device)
        noisy = (1 - self.noise) * (copied == symbols).double() + self.noise / self.symbols
        return torch.where(copied < 0, 1 / self.symbols, noisy)

    def advance(self, state: Tensor, symbol: Int[Tensor, " batch"]) -> Tensor:
        """Forget the oldest symbol and keep the new one."""
        return torch.cat([state[:, 1:], symbol[:, None]], 1)

    def entropy_rate(self) -> float:
        """Entropy of one noisy copy in nats."""
        other = self.noise / self.symbols
        return _entropy([1 - self.noise + other] + [other] * (self.symbols - 1))

    def entropy(self, length: int) -> float:
        """H(x_1, ..., x_n) = min(n, L) log S + max(n - L, 0) h in nats, exact."""
        free = min(check_int("length", length, low=1), self.lag)
        return free * math.log(self.symbols) + (length - free) * self.entropy_rate()


@dataclass(frozen=True)
class ParitySource(PlantedSource):
    """Blocks of m bits: m - 1 fair coins, then their parity, flipped with probability e.

    Args:
        block: m >= 2.
        noise: e in [0, 1/2].

    Raises:
        ArgumentError: An argument is out of range.
    """

    block: int
    noise: float = 0.0

    def __post_init__(self) -> None:
        check_int("block", self.block, low=2)
        check_number("noise", self.noise, low=0, high=0.5)

    @property
    def num_symbols(self) -> int:
        """Two: the symbols are bits."""
        return 2

    def start(self, num_sequences: int, device: torch.device | str | None = None) -> Tensor:
        """Place within the block, and the parity of the bits so far; shape (batch, 2)."""
        return torch.zeros(num_sequences, 2, dtype=torch.int64, device=device)

    def probs(self, state: Tensor) -> Float[Tensor, "batch symbols"]:
        """A fair coin, or at the last place of a block a noisy copy of the parity."""
        last, symbols = state[:, :1] == self.block - 1, torch.arange(2, device=state.device)
        agrees = (state[:, 1:] == symbols).double()
        return torch.where(last, agrees * (1 - self.noise) + (1 - agrees) * self.noise, 0.5)

    def advance(self, state: Tensor, symbol: Int[Tensor, " batch"]) -> Tensor:
        """One place on; the parity begins again with the block."""
        place = (state[:, 0] + 1) % self.block
        parity = torch.where(place == 0, 0, state[:, 1] ^ symbol)
        return torch.stack([place, parity], 1)

    def entropy_rate(self) -> float:
        """Mean over a block: ((m - 1) log 2 + h(e)) / m in nats per bit."""
        return self.entropy(self.block) / self.block

    def entropy(self, length: int) -> float:
        """(n - b) log 2 + b h(e) in nats, exact, where b blocks end within the n bits."""
        ends = check_int("length", length, low=1) // self.block
        return (length - ends) * math.log(2) + ends * _entropy([self.noise, 1 - self.noise])


@dataclass(frozen=True)
class BracketSource(PlantedSource):
    """Brackets of several kinds, nested up to a depth; symbol k opens, symbol K + k closes kind k.

    With nothing open, a bracket opens; at depth D the last one closes. In between one opens with
    probability p, of any kind alike, and otherwise the one opened last is closed.

    Args:
        kinds: K >= 1.
        depth: D >= 1, the most brackets that are open at once.
        opening: p in (0, 1).

    Raises:
        ArgumentError: An argument is out of range.
    """

    kinds: int
    depth: int
    opening: float = 0.5

    def __post_init__(self) -> None:
        check_int("kinds", self.kinds, low=1)
        check_int("depth", self.depth, low=1)
        check_number("opening", self.opening, low=0, high=1, open_low=True, open_high=True)

    @property
    def num_symbols(self) -> int:
        """2K: each kind opens and closes."""
        return 2 * self.kinds

    def start(self, num_sequences: int, device: torch.device | str | None = None) -> Tensor:
        """Kinds of the open brackets, the one opened last in front; -1 behind them."""
        return torch.full((num_sequences, self.depth + 1), -1, device=device)

    def probs(self, state: Tensor) -> Float[Tensor, "batch symbols"]:
        """Open any kind, or close the one in front."""
        num_open, kinds = (state >= 0).sum(1, keepdim=True), torch.arange(self.kinds).to(state)
        opens = torch.full_like(num_open, self.opening, dtype=torch.float64)
        opens = opens.masked_fill(num_open == 0, 1.0).masked_fill(num_open == self.depth, 0.0)
        closes = (1 - opens) * (state[:, :1] == kinds)
        return torch.cat([(opens / self.kinds).expand(-1, self.kinds), closes], 1)

    def advance(self, state: Tensor, symbol: Int[Tensor, " batch"]) -> Tensor:
        """Put an opened bracket in front, or take the front one away."""
        none = torch.full_like(state[:, :1], -1)
        pushed = torch.cat([symbol[:, None], state[:, :-1]], 1)
        popped = torch.cat([state[:, 1:], none], 1)
        return torch.where(symbol[:, None] < self.kinds, pushed, popped)

    def entropy_rate(self) -> float:
        """Mean entropy of a symbol over the long run, in nats: depth is a walk with two walls.

        The walk alternates between even and odd depths and has one stationary law all the same:
        in balance, every edge between neighbouring depths is used as often up as down.
        """
        up = self._opening_at()
        weights = [1.0]
        for d in range(self.depth):
            weights.append(weights[-1] * up[d] / (1 - up[d + 1]))
        each = zip(weights, self._entropies(), strict=True)
        return sum(w * h for w, h in each) / sum(weights)

    def entropy(self, length: int) -> float:
        """H(x_1, ..., x_n) in nats, exact: entropies at each depth, weighed by how often it is met.

        What is open is no surprise to one who has read everything, so only the depth matters.
        """
        up, entropies = self._opening_at(), self._entropies()
        law, total = [1.0] + [0.0] * self.depth, 0.0
        for _ in range(check_int("length", length, low=1)):
            total += sum(p * h for p, h in zip(law, entropies, strict=True))
            after = [0.0] * (self.depth + 1)
            for d, p in enumerate(law):
                if d < self.depth:
                    after[d + 1] += p * up[d]
                if d > 0:
                    after[d - 1] += p * (1 - up[d])
            law = after
        return total

    def _opening_at(self) -> list[float]:
        """Probability that a bracket opens, for each number of open ones."""
        return [1.0] + [self.opening] * (self.depth - 1) + [0.0]

    def _entropies(self) -> list[float]:
        return [_entropy([p, 1 - p]) + p * math.log(self.kinds) for p in self._opening_at()]


def _entropy(probabilities: list[float]) -> float:
    return -math.fsum(p * math.log(p) for p in probabilities if p > 0)
