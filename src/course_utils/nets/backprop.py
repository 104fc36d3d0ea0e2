r"""Backpropagation by hand: the chain rule of a multilayer perceptron, last layer first.

A batch of examples x = h_0 runs forward through L affine maps with a non-linearity f between them,

    a_l = h_{l-1} W_l^T + b_l,      h_l = f(a_l)  for l < L,      y = a_L,

and every h_{l-1} and a_l is kept: that is the *tape*. Let g_l be the gradient of a loss by the sums
a_l. The loss gives g_L, and the chain rule leads from each layer to the one before,

    dL/dW_l = g_l^T h_{l-1},    dL/db_l = sum over the batch of g_l,
    g_{l-1} = f'(a_{l-1}) (g_l W_l).

One pass back thus yields all derivatives of *one* number, for about twice the multiplications of
the pass forward [linnainmaa1976taylor; rumelhart1986learning]. The other order of the same product,
``tangent``, pushes one direction of the parameters forward and yields one derivative of *all*
outputs; the two are adjoint to each other [baydin2018automatic].
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor


class Layer(NamedTuple):
    """The numbers of one affine map, or the derivatives by them.

    Attributes:
        weight: W.
        bias: b.
    """

    weight: Float[Tensor, "outputs inputs"]
    bias: Float[Tensor, " outputs"]


class Tape(NamedTuple):
    """What a pass forward keeps for the pass back.

    Attributes:
        inputs: h_0 .. h_{L-1}, what each affine map was given, each (batch, inputs of the map).
        sums: a_1 .. a_L, what each affine map returned, each (batch, outputs of the map).
    """

    inputs: tuple[Tensor, ...]
    sums: tuple[Tensor, ...]


class Activation(NamedTuple):
    """A non-linearity f, element by element, and its slope.

    Attributes:
        function: f(a).
        slope: f'(a).
    """

    function: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


TANH = Activation(torch.tanh, lambda a: 1 - torch.tanh(a).square())
"""f(a) = tanh a, f' = 1 - f^2."""

RELU = Activation(torch.relu, lambda a: (a > 0).to(a.dtype))
"""f(a) = max(a, 0), with the slope 0 at 0, as PyTorch has it."""


def random_layers(
    sizes: Sequence[int],
    *,
    gain: float = 1.0,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> list[Layer]:
    """Draw weights from N(0, gain^2 / inputs) and set the biases to zero.

    Without a non-linearity a layer then multiplies the mean square of its units by gain^2 on
    average. A rectifier halves it, so that gain^2 = 2 keeps it through any depth.

    Args:
        sizes: Number of inputs, of the units of each hidden layer, and of outputs.
        gain: Standard deviation of a weight times the square root of its layer's inputs, > 0.
        generator: Source of randomness, on ``device``.
        dtype: A floating type.
        device: Where the numbers live.

    Raises:
        ArgumentError: There are fewer than two sizes, or one is no positive whole number.

    Source:
        [he2015delving] for gain^2 = 2.
    """
    if len(sizes) < 2:
        raise ArgumentError(f"sizes: expected at least two numbers, got {list(sizes)}")
    check_number("gain", gain, low=0, open_low=True)
    layers = []
    for width_in, width_out in itertools.pairwise(sizes):
        shape = check_int("sizes", width_out, low=1), check_int("sizes", width_in, low=1)
        weight = torch.randn(shape, generator=generator, dtype=dtype, device=device)
        layers.append(Layer(weight * gain / math.sqrt(width_in), weight.new_zeros(width_out)))
    return layers


def layers_of(network: nn.Module) -> list[Layer]:
    """Return copies of the affine maps of a network, first to last, such as one from ``mlp``.

    Args:
        network: A module whose ``nn.Linear`` parts are applied in the order of ``modules()``.

    Raises:
        ArgumentError: It has no affine map, or one without a bias.
    """
    maps = [part for part in network.modules() if isinstance(part, nn.Linear)]
    if not maps or any(part.bias is None for part in maps):
        raise ArgumentError("network: expected affine maps with biases, got none or one without")
    return [Layer(part.weight.detach().clone(), part.bias.detach().clone()) for part in maps]


def forward(
    layers: Sequence[Layer], x: Float[Tensor, "batch inputs"], activation: Activation = TANH
) -> tuple[Float[Tensor, "batch outputs"], Tape]:
    """Return y = a_L and the tape.

    Args:
        layers: W_l and b_l, first to last.
        x: h_0, one example per row.
        activation: f between the layers.

    Raises:
        ArgumentError: There is no layer, or ``x`` or a layer does not fit the one before.

    Accuracy:
        Exact up to rounding.
    """
    if not layers:
        raise ArgumentError("layers: expected at least one, got none")
    check_tensor("x", x, shape=("batch", layers[0].weight.shape[1]), dtype="float")
    inputs, sums = [], []
    h = x
    for number, (weight, bias) in enumerate(layers):
        name = f"weight of layer {number + 1}"
        check_tensor(name, weight, shape=(len(bias), h.shape[1]), finite=False)
        inputs.append(h)
        sums.append(h @ weight.T + bias)
        h = activation.function(sums[-1])
    return sums[-1], Tape(tuple(inputs), tuple(sums))


def backward(
    layers: Sequence[Layer],
    tape: Tape,
    grad_output: Float[Tensor, "batch outputs"],
    activation: Activation = TANH,
) -> tuple[list[Layer], Float[Tensor, "batch inputs"]]:
    """Return the gradient of a loss by every weight and bias, and by x.

    Args:
        layers: As given to ``forward``.
        tape: As returned by it.
        grad_output: g_L, the gradient of the loss by y.
        activation: As given to ``forward``.

    Returns:
        dL/dW_l and dL/db_l for each layer, first to last, and dL/dx.

    Raises:
        ArgumentError: ``grad_output`` has not the shape of y.

    Accuracy:
        Exact up to rounding.

    Source:
        [rumelhart1986learning].
    """
    check_tensor("grad_output", grad_output, shape=tuple(tape.sums[-1].shape), finite=False)
    gradients: list[Layer] = []
    by_sums = grad_output
    for number in reversed(range(len(layers))):
        gradients.append(Layer(by_sums.T @ tape.inputs[number], by_sums.sum(0)))
        by_inputs = by_sums @ layers[number].weight
        if number > 0:
            by_sums = by_inputs * activation.slope(tape.sums[number - 1])
    return gradients[::-1], by_inputs


def tangent(
    layers: Sequence[Layer],
    tape: Tape,
    direction: Sequence[Layer],
    activation: Activation = TANH,
) -> Float[Tensor, "batch outputs"]:
    """Return the derivative of y along a direction of the parameters: forward mode.

    With dots for derivatives along the direction, and x held fixed,
    a'_l = h'_{l-1} W_l^T + h_{l-1} W'_l^T + b'_l and h'_l = f'(a_l) a'_l.

    Args:
        layers: As given to ``forward``.
        tape: As returned by it.
        direction: W'_l and b'_l, shaped as the layers.
        activation: As given to ``forward``.

    Raises:
        ArgumentError: The direction has not one entry per layer.

    Accuracy:
        Exact up to rounding.

    Source:
        [baydin2018automatic].
    """
    if len(direction) != len(layers):
        raise ArgumentError(f"direction: expected {len(layers)} layers, got {len(direction)}")
    moved = torch.zeros_like(tape.inputs[0])
    for (weight, _), change, h, a in zip(layers, direction, tape.inputs, tape.sums, strict=True):
        by_sums = moved @ weight.T + h @ change.weight.T + change.bias
        moved = by_sums * activation.slope(a)
    return by_sums


def squared_error(
    y: Float[Tensor, "batch outputs"], target: Float[Tensor, "batch outputs"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "batch outputs"]]:
    """Return the loss (1/2) sum_i |y_i - t_i|^2 / batch and its gradient (y - t) / batch.

    Args:
        y: Outputs.
        target: t.

    Raises:
        ArgumentError: The shapes differ.
    """
    check_tensor("target", target, shape=tuple(y.shape), dtype="float")
    away = y - target
    return 0.5 * away.square().sum() / len(y), away / len(y)


def cross_entropy(
    logits: Float[Tensor, "batch classes"], labels: Int[Tensor, " batch"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "batch classes"]]:
    """Return the mean of -log softmax(logits)_label in nats and its gradient.

    The gradient is (softmax(logits) - onehot(label)) / batch: what the network believes, minus
    what happened.

    Args:
        logits: Outputs.
        labels: Classes 0 .. classes - 1.

    Raises:
        ArgumentError: There is not one label for each row, or one is no class.
    """
    check_tensor("labels", labels, shape=(len(logits),), dtype="integer", low=0)
    check_tensor("labels", labels, high=logits.shape[1] - 1)
    log_probs = logits.log_softmax(-1)
    loss = -log_probs.gather(1, labels[:, None]).mean()
    happened = functional.one_hot(labels, logits.shape[1])
    return loss, (log_probs.exp() - happened) / len(logits)


def multiplications(sizes: Sequence[int]) -> tuple[int, int]:
    """Return the multiplications of the matrix products of both passes, for one example.

    The pass forward takes sum_l n_l n_{l-1}, one for each weight. The pass back takes as many for
    the weights' gradients and as many for what is passed on, which the first layer is spared if
    the gradient by x is not wanted. The sum of both passes is thus less than three times the pass
    forward, however many parameters there are.

    Args:
        sizes: Number of inputs, of the units of each hidden layer, and of outputs.

    Returns:
        Forward and back, the gradient by x left out.

    Raises:
        ArgumentError: There are fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ArgumentError(f"sizes: expected at least two numbers, got {list(sizes)}")
    products = [a * b for a, b in itertools.pairwise(sizes)]
    return sum(products), 2 * sum(products) - products[0]
