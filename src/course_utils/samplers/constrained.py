r"""Decoding under a grammar: only strings that an automaton accepts can come out.

A finite automaton reads symbols and moves between states; a string is accepted if it ends in an
accepting one. At each step a decoder may say the symbols after which an accepting state can still
be reached in the steps that remain. Masking the others and renormalising, step by step, gives
accepted strings only. It does not give the model's own law of accepted strings,

    p(x | accepted) \propto p(x) 1[accepted],

because it ignores how likely the model is to complete the string in an accepted way: the correct
weight of a symbol is p(v | past) times the probability of an accepted completion, a sum over
the future. For a Markov model and an automaton that sum is a dynamic program over pairs of states.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.samplers.lookahead import backward_weights, reweighted, started, walk
from course_utils.samplers.truncation import Conditionals

_MOST_STATES = 100_000


@dataclass(frozen=True, eq=False)
class Automaton:
    """A complete deterministic finite automaton.

    Args:
        next_state: State after reading symbol v in state s, axes (states, symbols).
        accepting: Which states accept.
        start: The state before the first symbol.

    Raises:
        ArgumentError: Shapes differ, or an entry is no state.
    """

    next_state: Int[Tensor, "states symbols"]
    accepting: Bool[Tensor, " states"]
    start: int = 0

    def __post_init__(self) -> None:
        states = len(self.next_state)
        shape = ("states", "symbols")
        check_tensor("next_state", self.next_state, shape=shape, low=0, high=states - 1)
        check_tensor("accepting", self.accepting, shape=(states,), dtype=torch.bool)
        check_int("start", self.start, low=0, high=states - 1)

    @classmethod
    def from_steps(
        cls,
        start: Hashable,
        step: Callable[[Hashable, int], Hashable | None],
        accepts: Callable[[Hashable], bool],
        num_symbols: int,
        device: torch.device | None = None,
    ) -> "Automaton":
        """Build the automaton of a reader: try every symbol in every configuration it can reach.

        Args:
            start: The reader's configuration before the first symbol.
            step: The configuration after a symbol, or ``None`` if the symbol is not allowed.
            accepts: Whether a string may stop in a configuration.
            num_symbols: V.
            device: Where the tables live.

        Raises:
            ArgumentError: More than 100,000 configurations can be reached.
        """
        check_int("num_symbols", num_symbols, low=1)
        number, rows, todo = {start: 0}, [], [start]
        for configuration in todo:
            after = [step(configuration, symbol) for symbol in range(num_symbols)]
            for new in after:
                if new is not None and new not in number:
                    number[new] = len(number)
                    todo.append(new)
            if len(number) > _MOST_STATES:
                raise ArgumentError(f"step: expected at most {_MOST_STATES} configurations")
            rows.append(after)
        dead = len(number)
        table = [[dead if new is None else number[new] for new in after] for after in rows]
        table.append([dead] * num_symbols)
        accepting = [bool(accepts(configuration)) for configuration in todo] + [False]
        return cls(torch.tensor(table, device=device), torch.tensor(accepting, device=device))

    @property
    def num_symbols(self) -> int:
        """Size V of the alphabet."""
        return self.next_state.shape[1]

    def accepts(self, x: Int[Tensor, "samples length"]) -> Bool[Tensor, " samples"]:
        """Say which strings are accepted."""
        check_tensor("x", x, shape=("samples", "length"), low=0, high=self.num_symbols - 1)
        return self.accepting[walk(self.next_state, x, self.start)[:, -1]]

    def completable(self, length: int) -> Bool[Tensor, "steps states"]:
        """Say from which states t symbols into a string of ``length`` it can still be accepted."""
        alive = [self.accepting]
        for _ in range(check_int("length", length, low=1)):
            alive.append(alive[-1][self.next_state].any(-1))
        return torch.stack(alive[::-1])

    def num_strings(self, length: int) -> int:
        """Number of accepted strings of exactly this length, without writing them down.

        With M[s, s'] the number of symbols that lead from s to s', the count is the sum over
        accepting s of (M^T)[start, s]; here row by row, in whole numbers of any size.
        """
        moves, accepting = self.next_state.tolist(), self.accepting.tolist()
        counts = [int(accepts) for accepts in accepting]
        for _ in range(check_int("length", length, low=1)):
            counts = [sum(counts[state] for state in row) for row in moves]
        return counts[self.start]

    def strings(self, length: int) -> Int[Tensor, "strings length"]:
        """All accepted strings of exactly this length, in lexicographic order."""
        alive = self.completable(length)
        x = torch.zeros(1, 0, dtype=torch.int64, device=self.next_state.device)
        state = torch.full_like(x[:, :1].sum(1), self.start)
        for t in range(length):
            after = self.next_state[state]
            row, symbol = alive[t + 1][after].nonzero(as_tuple=True)
            x = torch.cat([x[row], symbol[:, None]], 1)
            state = after[row, symbol]
        return x


def masked(conditionals: Conditionals, automaton: Automaton, length: int) -> Conditionals:
    """Rule out, at each step, the symbols after which the string cannot be accepted any more.

    Args:
        conditionals: Maps values (samples, length) to logits; every symbol the grammar may need
            has a finite logit.
        automaton: The grammar.
        length: T, the length of every string; shorter ones are padded by an end symbol that the
            automaton knows.

    Returns:
        Conditionals whose softmax is the model's, renormalised over the symbols allowed. After a
        prefix that cannot be completed the model's logits are left as they are.

    Raises:
        ArgumentError: No string of this length is accepted.

    Accuracy:
        Every sample is accepted. The law of the samples is not the model's law given acceptance.

    Source:
        [scholak2021picard], [willard2023efficient].
    """
    alive = automaton.completable(length)
    if not bool(alive[0, automaton.start]):
        raise ArgumentError(f"length: expected one of an accepted string, got {length}")
    table, steps = automaton.next_state, torch.arange(1, length + 1, device=alive.device)

    def allowed_only(x: Tensor) -> Tensor:
        check_tensor("x", x, shape=("samples", length), dtype="integer")
        state = walk(table, x, automaton.start)[:, :-1]
        allowed = alive[steps[:, None], table[state]]
        stuck = ~allowed.any(-1, keepdim=True)
        return conditionals(x).masked_fill(~(allowed | stuck), -torch.inf)

    return allowed_only


def conditioned_markov(
    log_initial: Float[Tensor, " symbols"],
    log_transition: Float[Tensor, "symbols symbols"],
    automaton: Automaton,
    length: int,
) -> Conditionals:
    """Return the conditionals of a Markov model given that the automaton accepts, p(x | accepted).

    Args:
        log_initial: log p(x_1).
        log_transition: log p(x_t | x_{t-1}), rows the previous symbol.
        automaton: The grammar.
        length: T.

    Returns:
        A callable for ``ancestral``.

    Raises:
        ArgumentError: The model accepts with probability zero, or shapes differ.

    Accuracy:
        Exact: the look-ahead weight of a pair of states (automaton, last symbol) is the
        probability of an accepted completion.

    Source:
        [park2024grammar] for the difference from ``masked``.
    """
    parts = _pairs(log_initial, log_transition, automaton)
    return reweighted(*parts, length, start=_start(automaton))


def acceptance_log_prob(
    log_initial: Float[Tensor, " symbols"],
    log_transition: Float[Tensor, "symbols symbols"],
    automaton: Automaton,
    length: int,
) -> Float[Tensor, ""]:
    """Return log P(accepted), the log of the share of the model's own samples that are accepted.

    Args:
        log_initial: log p(x_1).
        log_transition: log p(x_t | x_{t-1}).
        automaton: The grammar.
        length: T.

    Returns:
        Nats, <= 0.

    Accuracy:
        Exact.
    """
    ahead = backward_weights(*_pairs(log_initial, log_transition, automaton), length)
    return ahead[0, _start(automaton)]


def _pairs(
    log_initial: Tensor, log_transition: Tensor, automaton: Automaton
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, next states and final weights of pairs (automaton state, last symbol or none)."""
    scores = started(log_initial, log_transition)
    last, symbols = scores.shape
    check_int("automaton.num_symbols", automaton.num_symbols, low=symbols, high=symbols)
    states = len(automaton.next_state)
    newest = torch.arange(symbols, device=scores.device)
    after = automaton.next_state * last + newest
    final = torch.where(automaton.accepting, 0.0, -torch.inf).to(scores)
    return scores.repeat(states, 1), after.repeat_interleave(last, 0), final.repeat_interleave(last)


def _start(automaton: Automaton) -> int:
    return automaton.start * (automaton.num_symbols + 1) + automaton.num_symbols
