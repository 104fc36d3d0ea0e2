r"""Drawing sequences from a model that keeps what it has computed.

``ancestral`` asks a model for the conditionals of a whole sequence, uses one row of the answer and
throws the rest away: T variables cost T passes over T positions. A model whose next conditional
follows from a state of bounded work (a recurrent network's state, the queues of a stack of
convolutions, the keys and values of an attention layer) need not compute anything twice:

    cache = start(num_samples)
    params, cache = step(cache, None)        the first variable's parameters
    params, cache = step(cache, x_1)         those of the second, given x_1
    params, cache = step(cache, x_2)         those of the third, given x_1 and x_2
"""

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number
from course_utils.samplers.decoding import Head, checked_prefix


@runtime_checkable
class Stepper(Protocol):
    """A model that gives its conditionals one after the other, left to right."""

    head: Head

    def start(self, num_samples: int) -> Any:
        """Return the cache of ``num_samples`` sequences of which nothing is known yet."""
        ...

    def step(
        self, cache: Any, last: Shaped[Tensor, " samples"] | None
    ) -> tuple[Float[Tensor, "samples params"], Any]:
        """Return the parameters of the next conditional, and the cache that knows ``last``.

        Args:
            cache: What ``start`` or the step before returned.
            last: The variable that came last, one value per sequence; ``None`` at the first step.
        """
        ...


@torch.no_grad()
def stepwise(
    model: Stepper,
    num_samples: int,
    length: int,
    *,
    prefix: Shaped[Tensor, "samples given"] | None = None,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Shaped[Tensor, "samples length"]:
    r"""Draw x ~ p(x) = \prod_t p(x_t | x_{<t}) from left to right, one ``step`` per variable.

    Args:
        model: Gives the conditionals one by one, and its ``head`` draws from them.
        num_samples: Number of independent samples.
        length: T, the number of variables.
        prefix: Values of the first g variables, one row per sample; they are fed, not drawn.
        temperature: T > 0 by which each conditional's logits are divided.
        generator: Source of randomness.

    Returns:
        Samples (samples, length).

    Raises:
        ArgumentError: ``prefix`` does not have one row per sample and at most T columns, or
            ``temperature`` is not above zero, or not 1 for real variables.

    Accuracy:
        Exact at temperature 1. Draws what ``ancestral`` draws with the same generator, as long as
        the two computations round alike; T calls of ``step``, the prefix included.
    """
    check_int("num_samples", num_samples, low=1)
    check_int("length", length, low=1)
    check_temperature(temperature, model.head)
    given = checked_prefix(prefix, num_samples, length)
    if prefix is not None and given == length:
        return prefix.clone()
    values: list[Tensor] = [] if prefix is None else list(prefix.unbind(1))
    cache, last = model.start(num_samples), None
    for t in range(length):
        params, cache = model.step(cache, last)
        if t >= given:
            values.append(model.head.sample(params / temperature, generator=generator))
        last = values[t]
    return torch.stack([value.to(last.dtype) for value in values], 1)


def check_temperature(temperature: float, head: Head) -> None:
    """Raise ``ArgumentError`` unless ``temperature`` is above zero, and 1 for real variables."""
    check_number("temperature", temperature, low=0, open_low=True)
    if temperature != 1.0 and not hasattr(head, "num_levels"):
        raise ArgumentError(f"temperature: expected 1 for real variables, got {temperature!r}")
