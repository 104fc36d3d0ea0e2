r"""Expectation maximisation: raise a bound that touches the likelihood, again and again.

For any law q of the hidden variable, log p(x) = F(q, θ) + KL(q ‖ p(z | x)) with

    F(q, θ) = E_q[log p(x, z; θ)] + H(q)  ≤  log p(x; θ).

The E-step sets q to the posterior, so that F touches log p(x; θ); the M-step raises F in θ with q
held fixed. Hence the likelihood never falls. Nothing more is promised: where both steps stand
still the gradient of the likelihood is zero, which may be a maximum or a saddle.

A model brings its own step, ``step(model) -> (next model, log-likelihood of the model given)``;
this file only repeats it and keeps the record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int, check_number

Model = TypeVar("Model")
"""Whatever is fitted."""

Step = Callable[[Model], tuple[Model, Tensor]]
"""``model -> (next model, mean log-likelihood of the model given, a tensor without axes)``."""


@dataclass(frozen=True)
class Ascent(Generic[Model]):
    """What expectation maximisation did.

    Attributes:
        model: The last model.
        log_likelihoods: Mean log-likelihood of the first model and after every step, nats per
            example; one entry more than there were steps.
        converged: Whether the last step gained less than the tolerance.
    """

    model: Model
    log_likelihoods: Float[Tensor, " models"]
    converged: bool


def ascend(
    model: Model, step: Step, *, num_steps: int = 100, tolerance: float = 0.0
) -> Ascent[Model]:
    """Repeat a step of expectation maximisation until it gains too little.

    Args:
        model: Where to start.
        step: One E-step and one M-step; also says the likelihood of the model it was given.
        num_steps: Steps at most.
        tolerance: Stop after a step that gains less than this, in nats per example; 0 does all.

    Returns:
        The last model and the log-likelihood of every model on the way.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Converges to a stationary point of the likelihood under mild conditions, not necessarily
        to a maximum.

    Source:
        [dempster1977maximum], [wu1983convergence].
    """
    check_int("num_steps", num_steps, low=1)
    check_number("tolerance", tolerance, low=0)
    following, value = step(model)
    values = [value]
    converged = False
    for _ in range(num_steps):
        model = following
        following, value = step(model)
        values.append(value)
        if tolerance > 0 and float(values[-1] - values[-2]) < tolerance:
            converged = True
            break
    return Ascent(model, torch.stack(values), converged)
