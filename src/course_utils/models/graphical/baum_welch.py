r"""Learning a hidden Markov source from symbols alone: expected counts in place of counts.

If the states were seen, the tables of highest likelihood would be counts divided by their sums.
They are not, but the forward and backward messages give every count's expectation, under the
tables one has. Dividing these gives better tables, and so on: log p(x) never falls.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_int, check_tensor
from course_utils.worlds.sequences import HiddenMarkovSource


@dataclass(frozen=True)
class ExpectedCounts:
    """How often, on average over the hidden paths.

    Attributes:
        initial: A sequence began in each state.
        transition: A state followed a state, axes (z_{t−1}, z_t).
        emission: A state emitted a symbol, axes (z_t, x_t).
        log_prob: log p(x) of all sequences together, in nats.
    """

    initial: Float[Tensor, " states"]
    transition: Float[Tensor, "states states"]
    emission: Float[Tensor, "states symbols"]
    log_prob: Float[Tensor, ""]

    def normalised(self) -> HiddenMarkovSource:
        """The tables of highest expected log-likelihood; a state never used gets uniform rows."""
        rows = [_rows(t) for t in (self.transition, self.emission)]
        return HiddenMarkovSource(*rows, _rows(self.initial[None])[0])


@dataclass(frozen=True)
class Learnt:
    """A source fitted to data.

    Attributes:
        source: The source after the last step.
        log_probs: log p(x) of all data before each step, and after the last one, in nats.
    """

    source: HiddenMarkovSource
    log_probs: tuple[float, ...]


def expected_counts(source: HiddenMarkovSource, x: Int[Tensor, "batch length"]) -> ExpectedCounts:
    r"""The E step: expectations of all counts given the symbols, from two passes of messages.

    p(z_{t−1} = a, z_t = b | x) ∝ α_{t−1}(a) A_{ab} E_{b x_t} β_t(b), summed over all steps.

    Accuracy:
        Exact.

    Source:
        [baum1970maximization], [rabiner1989tutorial].
    """
    check_tensor("x", x, shape=("batch", "length"), dtype="integer")
    forward, backward = source.forward(x), source.backward(x)
    state = (forward + backward).softmax(-1)
    before = forward[:, :-1].softmax(-1).flatten(0, 1)
    after = (backward + source.emission.log().T[x])[:, 1:].softmax(-1).flatten(0, 1)
    share = ((before @ source.transition) * after).sum(-1, keepdim=True)
    transition = source.transition * ((before / share).mT @ after)
    symbols = torch.zeros_like(source.emission.T)
    symbols.index_add_(0, x.flatten(), state.flatten(0, 1))
    log_prob = forward[:, -1].logsumexp(-1).sum()
    return ExpectedCounts(state[:, 0].sum(0), transition, symbols.T, log_prob)


def baum_welch(
    source: HiddenMarkovSource, x: Int[Tensor, "batch length"], num_steps: int
) -> Learnt:
    """Raise log p(x) by alternating expected counts and division, ``num_steps`` times.

    Args:
        source: Where to start. Exactly equal states stay equal for ever, so start at random.
        x: Sequences of equal length.
        num_steps: Number of steps.

    Returns:
        The fitted source and log p(x) along the way, which never falls.

    Raises:
        ArgumentError: ``num_steps`` is below one, or a symbol is unknown.

    Accuracy:
        Finds a stationary point of the likelihood, which need not be the highest.

    Source:
        [baum1970maximization].
    """
    check_int("num_steps", num_steps, low=1)
    log_probs = []
    for _ in range(num_steps):
        counts = expected_counts(source, x)
        log_probs.append(counts.log_prob)
        source = counts.normalised()
    log_probs.append(source.log_prob(x).sum())
    return Learnt(source, tuple(torch.stack(log_probs).tolist()))


def _rows(counts: Tensor) -> Tensor:
    total = counts.sum(-1, keepdim=True)
    return torch.where(total > 0, counts / total, 1 / counts.shape[-1])
