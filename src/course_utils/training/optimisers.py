r"""Five ways to go downhill, one signature, and their exact speed on a quadratic.

A rule turns a place x, the gradient g there and what it remembers into the next place:

    gradient descent   x <- x - eta g
    momentum           v <- mu v + g,    x <- x - eta v                       [polyak1964some]
    Nesterov           v <- mu v + g,    x <- x - eta (g + mu v)              [nesterov1983method]
    Adam               m, s <- moving means of g, g^2,   x <- x - eta m^ / (sqrt(s^) + eps)

With a gradient from a minibatch, an unbiased one with noise, the first is stochastic gradient
descent. These are the rules of ``torch.optim``, written out; ``fit`` uses PyTorch's own.

On f(x) = (1/2) sum_i lambda_i x_i^2 the gradient is lambda_i x_i, so the first three are linear:
each coordinate goes its own way, and what it does in a step is a matrix of size 1 or 2. The modulus
of that matrix's largest eigenvalue is the factor by which the error shrinks in the long run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor

Memory = tuple[Any, ...]
"""What a rule carries from step to step, such as a velocity."""


@runtime_checkable
class Rule(Protocol):
    """A rule of descent."""

    def start(self, x: Tensor) -> Memory:
        """Return what is remembered before the first step."""

    def step(self, x: Tensor, gradient: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return the next place, and what to remember."""


@dataclass(frozen=True)
class GradientDescent:
    """x <- x - eta g [robbins1951stochastic for a noisy gradient].

    On a quadratic the error along an eigenvector of curvature lambda is multiplied by
    1 - eta lambda at every step. It shrinks if eta < 2 / lambda.

    Attributes:
        rate: eta > 0.
    """

    rate: float

    def __post_init__(self) -> None:
        check_number("rate", self.rate, low=0, open_low=True)

    @classmethod
    def tuned(cls, smallest: float, largest: float) -> "GradientDescent":
        """Best rate for curvatures between two values, eta = 2 / (L + m).

        The factor is (kappa - 1) / (kappa + 1) with kappa = L / m, the same at both ends.

        Args:
            smallest: m > 0.
            largest: L >= m.

        Raises:
            ArgumentError: The numbers are not in this order.

        Source:
            [polyak1964some], [lessard2016analysis].
        """
        low, high = _curvatures(smallest, largest)
        return cls(2 / (high + low))

    def start(self, x: Tensor) -> Memory:
        """Nothing is remembered."""
        return ()

    def step(self, x: Tensor, gradient: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return x - eta g."""
        return x - self.rate * gradient, memory


@dataclass(frozen=True)
class _WithVelocity:
    """What the two rules with a velocity share: two numbers, and that they start at rest."""

    rate: float
    decay: float = 0.9

    def __post_init__(self) -> None:
        check_number("rate", self.rate, low=0, open_low=True)
        check_number("decay", self.decay, low=0, high=1, open_high=True)

    def start(self, x: Tensor) -> Memory:
        """The velocity is zero."""
        return (torch.zeros_like(x),)


class Momentum(_WithVelocity):
    """v <- mu v + g, x <- x - eta v: a heavy ball, ``torch.optim.SGD`` with momentum.

    The same as x_{t+1} = x_t - eta g_t + mu (x_t - x_{t-1}). On a quadratic both roots of
    z^2 - (1 + mu - eta lambda) z + mu are complex while (1 - sqrt(mu))^2 < eta lambda <
    (1 + sqrt(mu))^2, and their modulus is then sqrt(mu), whatever lambda is.

    Attributes:
        rate: eta > 0.
        decay: mu in [0, 1), what is kept of the velocity.
    """

    @classmethod
    def tuned(cls, smallest: float, largest: float) -> "Momentum":
        """Best pair for curvatures between two values, with the factor sqrt(mu).

        eta = 4 / (sqrt(L) + sqrt(m))^2 and sqrt(mu) = (sqrt(kappa) - 1) / (sqrt(kappa) + 1): the
        complex roots' interval then reaches exactly from m to L.

        Args:
            smallest: m > 0.
            largest: L >= m.

        Raises:
            ArgumentError: The numbers are not in this order.

        Source:
            [polyak1964some], [lessard2016analysis].
        """
        low, high = _curvatures(smallest, largest)
        root = sqrt(high / low)
        return cls(4 / (sqrt(high) + sqrt(low)) ** 2, ((root - 1) / (root + 1)) ** 2)

    def step(self, x: Tensor, gradient: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return x - eta (mu v + g), and the velocity."""
        velocity = self.decay * memory[0] + gradient
        return x - self.rate * velocity, (velocity,)


class Nesterov(_WithVelocity):
    """v <- mu v + g, x <- x - eta (g + mu v): ``torch.optim.SGD`` with ``nesterov=True``.

    Written with y for the place that velocity leads to, this is y_{t+1} = x_t - eta g(x_t),
    x_{t+1} = y_{t+1} + mu (y_{t+1} - y_t): a gradient step, then a step on in the same direction.

    Attributes:
        rate: eta > 0.
        decay: mu in [0, 1).
    """

    @classmethod
    def tuned(cls, smallest: float, largest: float) -> "Nesterov":
        """The usual pair for curvatures between two values, with the factor 1 - 1 / sqrt(kappa).

        eta = 1 / L and mu = (sqrt(kappa) - 1) / (sqrt(kappa) + 1). Not the fastest pair on a
        quadratic, but one that also holds for every smooth, strongly convex function.

        Args:
            smallest: m > 0.
            largest: L >= m.

        Raises:
            ArgumentError: The numbers are not in this order.

        Source:
            [nesterov1983method], [lessard2016analysis].
        """
        low, high = _curvatures(smallest, largest)
        root = sqrt(high / low)
        return cls(1 / high, (root - 1) / (root + 1))

    def step(self, x: Tensor, gradient: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return x - eta (g + mu v) with the new velocity v, and v."""
        velocity = self.decay * memory[0] + gradient
        return x - self.rate * (gradient + self.decay * velocity), (velocity,)


@dataclass(frozen=True)
class Adam:
    """x <- x - eta m^ / (sqrt(s^) + eps), with moving means m of g and s of g^2.

    Both means start at zero, so after t steps they hold the share 1 - beta^t of what they should;
    m^ and s^ are divided by that share. The first step is eta times the sign of the gradient, and
    multiplying the loss by a constant changes nothing but the role of eps.

    Attributes:
        rate: eta > 0.
        decay_mean: beta_1 in [0, 1).
        decay_square: beta_2 in [0, 1).
        epsilon: eps > 0, added to the root.

    Source:
        [kingma2015adam], Algorithm 1.
    """

    rate: float
    decay_mean: float = 0.9
    decay_square: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        check_number("rate", self.rate, low=0, open_low=True)
        check_number("decay_mean", self.decay_mean, low=0, high=1, open_high=True)
        check_number("decay_square", self.decay_square, low=0, high=1, open_high=True)
        check_number("epsilon", self.epsilon, low=0, open_low=True)

    def start(self, x: Tensor) -> Memory:
        """Both means are zero, after no step."""
        return torch.zeros_like(x), torch.zeros_like(x), 0

    def step(self, x: Tensor, gradient: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return the next place, and both means with the number of steps."""
        mean, square, steps = memory
        mean = self.decay_mean * mean + (1 - self.decay_mean) * gradient
        square = self.decay_square * square + (1 - self.decay_square) * gradient.square()
        steps += 1
        unbiased = mean / (1 - self.decay_mean**steps)
        size = (square / (1 - self.decay_square**steps)).sqrt() + self.epsilon
        return x - self.rate * unbiased / size, (mean, square, steps)


def _curvatures(smallest: float, largest: float) -> tuple[float, float]:
    low = check_number("smallest", smallest, low=0, open_low=True)
    return low, check_number("largest", largest, low=low)


def descend(
    rule: Rule,
    gradient: Callable[[Float[Tensor, "*shape"]], Float[Tensor, "*shape"]],
    start: Float[Tensor, "*shape"],
    num_steps: int,
) -> Float[Tensor, "places *shape"]:
    """Follow a rule and return every place, the start included.

    Args:
        rule: One of the rules above.
        gradient: The gradient at a place; it may be noisy.
        start: x_0.
        num_steps: n >= 0.

    Returns:
        x_0 .. x_n.

    Raises:
        ArgumentError: ``start`` is not finite, or ``num_steps`` is negative.
    """
    x = check_tensor("start", start, dtype="float")
    memory, path = rule.start(x), [x]
    for _ in range(check_int("num_steps", num_steps, low=0)):
        x, memory = rule.step(x, gradient(x), memory)
        path.append(x)
    return torch.stack(path)


def transition(rule: Rule, curvature: float) -> Float[Tensor, "size size"]:
    """Matrix by which a step on f(x) = curvature x^2 / 2 maps (x, memory) to the next pair.

    Its columns are what the rule does to unit vectors, so it is read off the rule itself.

    Args:
        rule: A rule that is linear in place, gradient and memory: any of the above but ``Adam``.
        curvature: lambda >= 0.

    Raises:
        ArgumentError: The rule is ``Adam``, whose step is not linear.

    Accuracy:
        Exact up to rounding.
    """
    if isinstance(rule, Adam):
        raise ArgumentError("rule: expected one whose step is linear, got Adam")
    check_number("curvature", curvature, low=0)
    size = 1 + len(rule.start(torch.zeros(())))
    columns = []
    for unit in torch.eye(size, dtype=torch.float64):
        place, *memory = unit
        x, remembered = rule.step(place, curvature * place, tuple(memory))
        columns.append(torch.stack([x, *remembered]))
    return torch.stack(columns, 1)


def convergence_factor(rule: Rule, curvatures: Sequence[float]) -> float:
    """Factor by which the error on a quadratic shrinks per step in the long run.

    The largest modulus of an eigenvalue of ``transition`` over the curvatures; above 1 the rule
    diverges. Where two eigenvalues coincide, as for the tuned rules at their slowest curvature, the
    error after t steps is that of the factor times a linear function of t.

    Args:
        rule: Any of the rules above but ``Adam``.
        curvatures: Eigenvalues lambda_i >= 0 of the quadratic's matrix.

    Raises:
        ArgumentError: The rule is ``Adam``, or there is no curvature.

    Accuracy:
        Exact up to rounding, which a double eigenvalue magnifies to about 1e-8.
    """
    if len(curvatures) == 0:
        raise ArgumentError("curvatures: expected at least one number, got none")
    matrices = [transition(rule, float(curvature)) for curvature in curvatures]
    return max(float(torch.linalg.eigvals(matrix).abs().max()) for matrix in matrices)


def stationary_variance(rate: float, curvature: float, noise_variance: float) -> float:
    """Variance of the place, in the long run, under stochastic gradient descent on a quadratic.

    With gradients lambda x + noise, x <- (1 - eta lambda) x - eta noise is an autoregression, and
    its variance v solves v = (1 - eta lambda)^2 v + eta^2 sigma^2:

        v = eta sigma^2 / (lambda (2 - eta lambda)).

    Args:
        rate: eta, with eta lambda < 2.
        curvature: lambda > 0.
        noise_variance: sigma^2 >= 0, of one gradient.

    Raises:
        ArgumentError: A number is out of range; at eta lambda >= 2 there is no such variance.

    Accuracy:
        Exact, for independent noise of any law.
    """
    check_number("curvature", curvature, low=0, open_low=True)
    check_number("rate", rate, low=0, high=2 / curvature, open_low=True, open_high=True)
    check_number("noise_variance", noise_variance, low=0)
    return rate * noise_variance / (curvature * (2 - rate * curvature))
