"""The multilayer perceptron h_l = f(W_l h_{l-1} + b_l), the network every week falls back on.

``relu_interpolant`` and ``sawtooth`` are such networks whose weights are not learned but written
down, to see what one hidden layer can represent and what further layers add.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor


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


def relu_interpolant(
    knots: Float[Tensor, " points"], values: Float[Tensor, " points"]
) -> nn.Sequential:
    r"""Network with one hidden layer of k rectifiers that joins k + 1 points by straight lines.

    With slopes s_j = (v_{j+1} - v_j) / (t_{j+1} - t_j) and s_{-1} = 0,

        f(x) = v_0 + \sum_{j=0}^{k-1} (s_j - s_{j-1}) max(x - t_j, 0):

    unit j switches on at t_j and corrects the slope there. Left of the first knot f is constant,
    right of the last one it goes on along the last line.

    Args:
        knots: t_0 < t_1 < ... < t_k.
        values: v_0 .. v_k.

    Returns:
        A network from (..., 1) to (..., 1), in the type and on the device of the knots.

    Raises:
        ArgumentError: The knots do not increase, or there is not one value for each.

    Accuracy:
        Exact at and between the knots, up to rounding. A function with second derivative at most M
        in modulus is missed by at most M h^2 / 8 between knots h apart.

    Source:
        [deboor2001practical] for the error of interpolation by lines.
    """
    check_tensor("knots", knots, shape=("points",), dtype="float")
    check_tensor("values", values, shape=tuple(knots.shape), dtype="float")
    if len(knots) < 2 or bool((knots.diff() <= 0).any()):
        raise ArgumentError("knots: expected at least two that increase, got others")
    slopes = values.diff() / knots.diff()
    network = mlp(1, [len(slopes)], 1, activation=nn.ReLU).to(knots)
    hidden, out = network[0], network[2]
    with torch.no_grad():
        hidden.weight.fill_(1)
        hidden.bias.copy_(-knots[:-1])
        out.weight.copy_(slopes.diff(prepend=slopes.new_zeros(1))[None])
        out.bias.copy_(values[:1])
    return network


def sawtooth(depth: int) -> nn.Sequential:
    """Deep network of two rectifiers a layer that rises and falls 2^(depth - 1) times on [0, 1].

    One layer is the tent t(x) = 2 max(x, 0) - 4 max(x - 1/2, 0), which runs from 0 up to 1 and
    back. Applied to itself it doubles its teeth: ``depth`` layers give 2^depth lines of slope
    +-2^depth. One hidden layer of k rectifiers has at most k + 1 lines, so it needs at least
    2^depth - 1.

    Args:
        depth: Number of hidden layers, >= 1.

    Returns:
        A network from (..., 1) to (..., 1) in float64.

    Raises:
        ArgumentError: ``depth`` is no positive whole number.

    Accuracy:
        Exact; powers of two are not rounded.

    Source:
        [telgarsky2015representation].
    """
    check_int("depth", depth, low=1)
    network = mlp(1, [2] * depth, 1, activation=nn.ReLU).double()
    tent = torch.tensor([[2.0, -4.0]], dtype=torch.float64)
    maps = [part for part in network if isinstance(part, nn.Linear)]
    with torch.no_grad():
        for number, part in enumerate(maps):
            read = torch.ones(1, 1, dtype=torch.float64) if number == 0 else tent
            part.weight.copy_(read.expand_as(part.weight))
            part.bias.copy_(torch.tensor([0.0, -0.5][: len(part.bias)]))
    return network
