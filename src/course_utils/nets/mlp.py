"""The multilayer perceptron h_l = f(W_l h_{l-1} + b_l), the network every week falls back on."""

import itertools
from collections.abc import Callable, Sequence

from torch import nn

from course_utils.arguments import check_int, check_number


def mlp(
    num_inputs: int,
    hidden: Sequence[int],
    num_outputs: int,
    *,
    activation: Callable[[], nn.Module] = nn.SiLU,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Stack of affine maps with a non-linearity f between them: h_l = f(W_l h_{l-1} + b_l).

    The last affine map has neither non-linearity nor dropout, so the outputs are any reals.

    Args:
        num_inputs: Size of the last axis of the input.
        hidden: Width of each hidden layer, first to last; empty for one affine map.
        num_outputs: Size of the last axis of the output.
        activation: Makes the non-linearity f.
        dropout: Probability in [0, 1) with which a hidden unit is set to zero in training.

    Returns:
        A module from (..., num_inputs) to (..., num_outputs).

    Raises:
        ArgumentError: A size is not a positive whole number, or ``dropout`` is not in [0, 1).
    """
    check_number("dropout", dropout, low=0, high=1, open_high=True)
    sizes = [check_int("num_inputs", num_inputs, low=1)]
    sizes += [check_int("hidden", width, low=1) for width in hidden]
    layers: list[nn.Module] = []
    for width_in, width_out in itertools.pairwise(sizes):
        layers += [nn.Linear(width_in, width_out), activation()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(sizes[-1], check_int("num_outputs", num_outputs, low=1)))
    return nn.Sequential(*layers)
