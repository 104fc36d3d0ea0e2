r"""Exact sampling from a reweighted chain: look ahead by dynamic programming, then draw forwards.

Let a sequence move through states, s_t = next(s_{t-1}, x_t), and let it have the weight

    w(x) = exp( \sum_t g(s_{t-1}, x_t) + f(s_T) ),

which need not be normalised. The total weight of all ways to go on from state s at step t is

    b_T(s) = exp f(s),     b_t(s) = \sum_v exp(g(s, v)) b_{t+1}(next(s, v)),

and the law proportional to w has the conditionals

    q_t(v | s) = exp(g(s, v)) b_{t+1}(next(s, v)) / b_t(s).

The second factor is what a decoder that changes each conditional by itself leaves out. Two uses:
the tempered joint of a Markov chain (g = log p / T), and a chain conditioned on a grammar
(f = 0 where the grammar accepts and -inf elsewhere).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.samplers.truncation import Conditionals


def backward_weights(
    scores: Float[Tensor, "states symbols"],
    next_state: Int[Tensor, "states symbols"],
    final: Float[Tensor, " states"],
    length: int,
) -> Float[Tensor, "steps states"]:
    r"""Return log b_t(s), the log of the weight of all continuations, for t = 0 .. T.

    Args:
        scores: g(s, v); -inf for a step that is ruled out.
        next_state: next(s, v).
        final: f(s).
        length: T.

    Returns:
        T + 1 rows; row T is f. log b_0(start) is the log of the normaliser of w.

    Raises:
        ArgumentError: Shapes differ, or ``next_state`` is no state.

    Accuracy:
        Exact; T steps of states times symbols operations.
    """
    check_int("length", length, low=1)
    check_tensor("scores", scores, shape=("states", "symbols"), dtype="float", finite=False)
    states = len(scores)
    check_tensor("next_state", next_state, shape=tuple(scores.shape), low=0, high=states - 1)
    check_tensor("final", final, shape=(states,), dtype=scores.dtype, finite=False)
    rows = [final]
    for _ in range(length):
        rows.append((scores + rows[-1][next_state]).logsumexp(-1))
    return torch.stack(rows[::-1])


def reweighted(
    scores: Float[Tensor, "states symbols"],
    next_state: Int[Tensor, "states symbols"],
    final: Float[Tensor, " states"],
    length: int,
    *,
    start: int = 0,
) -> Conditionals:
    """Return the conditionals q_t(v | s) of the law proportional to w, as a callable.

    Args:
        scores: g(s, v).
        next_state: next(s, v).
        final: f(s).
        length: T, the length of every sequence.
        start: s_0.

    Returns:
        A callable from values (samples, T) to logits (samples, T, symbols), for ``ancestral``.

    Raises:
        ArgumentError: Shapes differ, or no sequence has positive weight.

    Accuracy:
        Exact.
    """
    ahead = backward_weights(scores, next_state, final, length)
    check_int("start", start, low=0, high=len(scores) - 1)
    if bool(ahead[0, start] == -torch.inf):
        raise ArgumentError(f"length: expected a sequence of positive weight, got none of {length}")
    steps = torch.arange(1, length + 1, device=scores.device)

    def conditionals(x: Tensor) -> Tensor:
        check_tensor("x", x, shape=("samples", length), dtype="integer")
        state = walk(next_state, x, start)[:, :-1]
        return scores[state] + ahead[steps[:, None], next_state[state]]

    return conditionals


def tempered_markov(
    log_initial: Float[Tensor, " symbols"],
    log_transition: Float[Tensor, "symbols symbols"],
    length: int,
    temperature: float,
) -> Conditionals:
    r"""Return the conditionals of the tempered joint p(x)^{1/T} / Z of a Markov chain.

    Args:
        log_initial: log p(x_1).
        log_transition: log p(x_t | x_{t-1}), rows the previous symbol.
        length: Number of symbols.
        temperature: T > 0.

    Returns:
        A callable for ``ancestral``.

    Raises:
        ArgumentError: ``temperature`` is not above zero, or shapes differ.

    Accuracy:
        Exact, without enumeration: the law is a chain again, but its transitions change from step
        to step.
    """
    check_number("temperature", temperature, low=0, open_low=True)
    scores = started(log_initial, log_transition) / temperature
    symbols = torch.arange(len(log_initial), device=scores.device)
    final = torch.zeros_like(scores[:, 0])
    return reweighted(scores, symbols.expand_as(scores), final, length, start=len(log_initial))


def started(
    log_initial: Float[Tensor, " symbols"], log_transition: Float[Tensor, "symbols symbols"]
) -> Float[Tensor, "states symbols"]:
    """Put the initial law below the transitions, as the row of a state before the first symbol."""
    check_tensor("log_initial", log_initial, shape=("symbols",), dtype="float", finite=False)
    size = len(log_initial)
    check_tensor("log_transition", log_transition, shape=(size, size), finite=False)
    return torch.cat([log_transition, log_initial[None].to(log_transition)])


def walk(
    next_state: Int[Tensor, "states symbols"], x: Int[Tensor, "samples length"], start: int
) -> Int[Tensor, "samples steps"]:
    """Return s_0 .. s_T of each sequence."""
    state = torch.full_like(x[:, 0], start)
    states = [state]
    for t in range(x.shape[1]):
        state = next_state[state, x[:, t]]
        states.append(state)
    return torch.stack(states, 1)
