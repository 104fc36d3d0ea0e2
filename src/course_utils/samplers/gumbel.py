r"""Gumbel noise turns drawing a category into an argmax, and the argmax can be made soft.

With independent G_k = -log E_k, E_k ~ Exp(1), the largest of a_k + G_k stands at k with probability
softmax(a)_k (Gumbel-max). ``distributions.sample_categorical`` draws in this way. The argmax has no
useful derivative; a softmax at temperature tau in its place has:

    y = softmax((a + G) / tau),   y -> one-hot of the argmax as tau -> 0  (Gumbel-softmax).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import check_number, check_tensor
from course_utils.nets.straight_through import straight_through


def gumbel_noise(
    like: Float[Tensor, "*shape"], generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """Draw independent G = -log E, E ~ Exp(1), with P(G <= g) = exp(-exp(-g)).

    Args:
        like: A tensor whose shape, type and device the noise takes.
        generator: Source of randomness on that device.

    Returns:
        Noise of mean 0.5772 (Euler's constant) and variance pi^2 / 6.

    Accuracy:
        Exact.

    Source:
        [gumbel1954statistical].
    """
    check_tensor("like", like, dtype="float", finite=False)
    arrival = torch.empty_like(like).exponential_(generator=generator)
    return -arrival.clamp_min(torch.finfo(like.dtype).tiny).log()


def gumbel_softmax(
    logits: Float[Tensor, "*batch levels"],
    temperature: float,
    *,
    hard: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch levels"]:
    """Draw y = softmax((a + G) / tau), differentiable in the logits a.

    Args:
        logits: a, log-probabilities up to a constant.
        temperature: tau > 0.
        hard: Return the one-hot vector of the largest entry, an exact draw of the category, with
            the gradient of y (straight-through).
        generator: Source of randomness on the device of ``logits``.

    Returns:
        Points of the simplex (sum one over the last axis), or its corners if ``hard``.

    Raises:
        ArgumentError: ``temperature`` is not above zero.

    Accuracy:
        The argmax is an exact draw of softmax(a) at every tau. The gradient of E[f(y)] is not that
        of E[f(one-hot)]: its bias vanishes and its variance grows without bound as tau -> 0.

    Source:
        [jang2017categorical], [maddison2017concrete].
    """
    check_number("temperature", temperature, low=0, open_low=True)
    check_tensor("logits", logits, shape=("...", "levels"), dtype="float", finite=False)
    y = ((logits + gumbel_noise(logits, generator)) / temperature).softmax(-1)
    if not hard:
        return y
    return straight_through(y, functional.one_hot(y.argmax(-1), y.shape[-1]).to(y.dtype))
