"""Judge of a Metropolis-Hastings step: every pair of states, with uniforms on both sides of the
probability of acceptance.

The step is a function of the numbers it is given, so what it does on all pairs is known exactly. A
uniform just below the right probability has to move, one just above has to stay.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart

_STATES = 4
_MARGIN = 1e-4


def draw(seed: int) -> list[Instance]:
    """A lopsided proposal on four states; the same with weights of the size of exp(1000)."""
    generator = torch.Generator().manual_seed(seed + 3004)
    while True:
        log_weights = torch.randn(_STATES, generator=generator, dtype=torch.float64)
        table = torch.rand(_STATES, _STATES, generator=generator, dtype=torch.float64) + 0.05
        args = _listed(log_weights, table / table.sum(1, keepdim=True))
        if told_apart(_truth(args).double(), _wrong(args)):
            break
    high, low = ({**args, "log_weights": log_weights + shift} for shift in (1000.0, -1000.0))
    return [
        Instance("a lopsided proposal on four states", args, 0.7),
        Instance("very large weights", high, 0.15),
        Instance("very small weights", low, 0.15),
    ]


def acceptance(log_weights: Tensor, proposal: Tensor) -> np.ndarray:
    """min(1, w_j q_ji / (w_i q_ij)) for every pair, from weights of moderate size."""
    weights = np.exp(log_weights.numpy() - log_weights.numpy().max())
    flow = weights[:, None] * proposal.numpy()
    return np.minimum(1.0, flow.T / flow)


def _listed(log_weights: Tensor, proposal: Tensor) -> dict[str, Tensor]:
    """All pairs, each with four uniforms."""
    accept = acceptance(log_weights, proposal)
    rows = [
        (i, j, u)
        for i, j in np.ndindex(_STATES, _STATES)
        for u in (accept[i, j] - _MARGIN, accept[i, j] + _MARGIN, 0.5, 0.98)
        if 0 <= u < 1 and abs(u - accept[i, j]) > _MARGIN / 2
    ]
    states, proposed, uniforms = zip(*rows, strict=True)
    return {
        "log_weights": log_weights,
        "proposal": proposal,
        "states": torch.tensor(states),
        "proposed": torch.tensor(proposed),
        "uniforms": torch.tensor(uniforms, dtype=torch.float64),
    }


def _moved(args: dict[str, Tensor], accept: np.ndarray) -> Tensor:
    """Where the chains stand if a pair is accepted with these probabilities."""
    chosen = torch.from_numpy(np.asarray(accept))[args["states"], args["proposed"]]
    return torch.where(args["uniforms"] < chosen, args["proposed"], args["states"])


def _truth(args: dict[str, Tensor]) -> Tensor:
    return _moved(args, acceptance(args["log_weights"], args["proposal"]))


def examine(answer: Callable[..., Any], instance: Instance) -> Verdict:
    """Compare where every chain stands after the step."""
    args = instance.args
    value = answers.call(answer, args)
    name = f"{answers.name_of(answer)}(...)"
    hint = "One state for each chain is asked for."
    value = answers.expect_tensor(name, value, (len(args["states"]),), hint)
    answers.expect_finite(name, value)
    stays = bool(((value == args["states"]) | (value == args["proposed"])).all())
    if not stays:
        text = "a chain is neither where it was nor where it was asked to go."
        raise Mistake("elsewhere", text, text)
    moderate = float(args["log_weights"].abs().max()) < 100
    plain = "some moves are accepted that should not be, or the other way round."
    if not moderate:
        plain = "right for moderate weights, wrong where their exponentials overflow or vanish."
    suspects = _wrong(args) if moderate else ()
    line_up(value, _truth(args).double(), suspects, tolerance=1e-6, otherwise=plain, plain=plain)
    return right("every pair of states is accepted with the right probability.")


def _wrong(args: dict[str, Tensor]) -> Iterator[Suspect]:
    weights = np.exp(args["log_weights"].numpy())
    proposal = args["proposal"].numpy()
    ratio = weights[None, :] / weights[:, None]
    back = proposal.T / proposal
    logs = args["log_weights"].numpy()
    rules = (
        ("metropolis", "the proposal is not symmetric: the ratio of proposals is left out.", ratio),
        ("reversed", "the ratio of proposals is upside down: the way back stands on top.",
         ratio / back),
        ("inverse", "the ratio of weights is upside down: the new state's weight stands on top.",
         back / ratio),
        ("inverse-both", "both ratios are upside down.", 1 / (ratio * back)),
        ("no-weights", "the weights of the states do not enter.", back),
        ("not-exp", "log_weights are taken for weights.", logs[None, :] / logs[:, None] * back),
        ("greedy", "only moves to a larger weight are accepted.", (ratio >= 1) * 1.0),
        ("always", "every proposal is accepted.", np.ones_like(ratio)),
        ("never", "no proposal is accepted.", np.zeros_like(ratio)),
        ("barker", "the probability is r / (1 + r): that is Barker's rule, not Metropolis's.",
         ratio * back / (1 + ratio * back)),
    )  # fmt: skip
    for category, text, accept in rules:
        yield Suspect(category, text, _moved(args, accept).double())
    turned = torch.where(_truth(args) == args["proposed"], args["states"], args["proposed"])
    text = "what should be accepted is refused, and what should be refused is accepted."
    yield Suspect("turned", text, turned.double())
