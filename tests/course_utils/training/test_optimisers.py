"""Rules of descent against closed forms on quadratics, and against torch.optim; all in float64."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.training.optimisers import (
    Adam,
    GradientDescent,
    Momentum,
    Nesterov,
    convergence_factor,
    descend,
    stationary_variance,
    transition,
)

CURVATURES = torch.tensor([1.0, 4.0, 25.0, 100.0], dtype=torch.float64)
START = torch.tensor([3.0, -2.0, 1.0, 0.5], dtype=torch.float64)
TORCH = {
    "descent": (GradientDescent(0.01), lambda p: torch.optim.SGD(p, lr=0.01)),
    "momentum": (Momentum(0.005, 0.8), lambda p: torch.optim.SGD(p, lr=0.005, momentum=0.8)),
    "nesterov": (
        Nesterov(0.004, 0.85),
        lambda p: torch.optim.SGD(p, lr=0.004, momentum=0.85, nesterov=True),
    ),
    "adam": (
        Adam(0.05, 0.8, 0.95, 1e-3),
        lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3),
    ),
    "adam as usual": (Adam(0.1), lambda p: torch.optim.Adam(p, lr=0.1)),
}


def quadratic(x):
    return CURVATURES * x


def uneven(x):
    """Gradient of a function that is no quadratic: sum of log cosh x_i and a coupling."""
    return torch.tanh(x) + 0.3 * x.roll(1) + 0.3 * x.roll(-1)


@pytest.mark.concept("nn.optimisers")
@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("gradient", [quadratic, uneven])
def test_paths_are_those_of_torch(name, gradient):
    rule, build = TORCH[name]
    path = descend(rule, gradient, START, 100)
    x = START.clone().requires_grad_()
    optimiser = build([x])
    for place in path:
        torch.testing.assert_close(x.detach(), place, atol=1e-10, rtol=1e-10)
        x.grad = gradient(x.detach())
        optimiser.step()


@pytest.mark.concept("nn.optimisers")
def test_descent_contracts_each_coordinate_by_its_own_factor():
    path = descend(GradientDescent(0.015), quadratic, START, 30)
    wanted = START * (1 - 0.015 * CURVATURES) ** torch.arange(31.0).double()[:, None]
    torch.testing.assert_close(path, wanted, atol=1e-14, rtol=1e-12)


def roots(b, c):
    """Moduli of the roots of z^2 - b z + c."""
    square = complex(b * b - 4 * c) ** 0.5
    return max(abs((b + square) / 2), abs((b - square) / 2))


@pytest.mark.concept("nn.optimisers")
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.018, 0.03])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("curvature", [1.0, 40.0, 100.0])
def test_factors_are_the_roots_of_the_characteristic_polynomials(rate, decay, curvature):
    c = rate * curvature
    exact = {
        Momentum(rate, decay): roots(1 + decay - c, decay),
        Nesterov(rate, decay): roots((1 + decay) * (1 - c), decay * (1 - c)),
        GradientDescent(rate): abs(1 - c),
    }
    for rule, factor in exact.items():
        assert convergence_factor(rule, [curvature]) == pytest.approx(factor, abs=1e-7)


@pytest.mark.concept("nn.optimisers")
@pytest.mark.parametrize("kappa", [1.0, 9.0, 100.0, 1e4])
def test_tuned_rules_have_the_textbook_factors_at_both_ends(kappa):
    root = math.sqrt(kappa)
    between = torch.logspace(0, math.log10(kappa), 50, dtype=torch.float64).clamp(1, kappa)
    for rule, factor in (
        (GradientDescent.tuned(2.0, 2 * kappa), (kappa - 1) / (kappa + 1)),
        (Momentum.tuned(2.0, 2 * kappa), (root - 1) / (root + 1)),
        (Nesterov.tuned(2.0, 2 * kappa), 1 - 1 / root),
    ):
        found = convergence_factor(rule, (2 * between).tolist())
        assert found == pytest.approx(factor, abs=2e-7)


@pytest.mark.concept("nn.optimisers")
@pytest.mark.parametrize("kind", [GradientDescent, Momentum])
def test_no_other_setting_is_faster_than_the_tuned_one(kind):
    best = kind.tuned(1.0, 50.0)
    factor = convergence_factor(best, [1.0, 50.0])
    for by in (0.9, 0.97, 1.03, 1.1):
        assert convergence_factor(kind(best.rate * by), [1.0, 50.0]) > factor + 1e-3
        if kind is Momentum:
            other = Momentum(best.rate, best.decay * by)
            assert convergence_factor(other, [1.0, 50.0]) > factor + 1e-3


@pytest.mark.concept("nn.optimisers")
@pytest.mark.parametrize("rule", [GradientDescent(0.018), Momentum(0.02, 0.7), Nesterov(0.01, 0.8)])
def test_powers_of_the_transition_give_the_path(rule):
    path = descend(rule, quadratic, START, 40)
    for curvature, x, walked in zip(CURVATURES, START, path.T, strict=True):
        matrix = transition(rule, float(curvature))
        state = torch.zeros(len(matrix), dtype=torch.float64)
        state[0] = x
        for place in walked:
            assert float(state[0]) == pytest.approx(float(place), abs=1e-10)
            state = matrix @ state


@pytest.mark.concept("nn.optimisers")
def test_adam_starts_with_the_sign_and_forgets_the_scale_of_the_loss():
    first = descend(Adam(0.1, epsilon=1e-12), quadratic, START, 1)[1]
    torch.testing.assert_close(first, START - 0.1 * START.sign(), atol=1e-10, rtol=0)
    one = descend(Adam(0.1, epsilon=1e-12), quadratic, START, 50)
    scaled = descend(Adam(0.1, epsilon=1e-12), lambda x: 1e4 * quadratic(x), START, 50)
    torch.testing.assert_close(one, scaled, atol=1e-6, rtol=0)
    stretched = descend(Adam(0.1, epsilon=1e-12), lambda x: x, START, 50)
    torch.testing.assert_close(one, stretched, atol=1e-6, rtol=0)


@pytest.mark.concept("nn.optimisers")
@pytest.mark.parametrize(("rate", "curvature"), [(0.1, 1.0), (0.05, 20.0), (0.9, 2.0)])
def test_stochastic_descent_settles_at_the_variance_of_the_closed_form(rate, curvature, generator):
    chains = 20_000

    def noisy(x):
        return curvature * x + 0.7 * torch.randn(chains, generator=generator, dtype=torch.float64)

    last = descend(GradientDescent(rate), noisy, torch.zeros(chains).double(), 120)[-1]
    wanted = stationary_variance(rate, curvature, 0.49)
    assert abs(float(last.square().mean()) - wanted) < 4 * wanted * math.sqrt(2 / chains)


def test_wrong_arguments_get_one_line(as_user):
    for call, line in (
        (lambda: GradientDescent(0), "rate: expected a number > 0, got 0"),
        (lambda: Momentum(0.1, 1.0), "decay: expected a number >= 0 and < 1, got 1.0"),
        (lambda: Nesterov(0.1, -0.1), "decay: expected a number >= 0 and < 1, got -0.1"),
        (lambda: Adam(0.1, epsilon=0), "epsilon: expected a number > 0, got 0"),
        (lambda: Adam(0.1, 0.9, 1.0), "decay_square: expected a number >= 0 and < 1"),
        (lambda: Momentum.tuned(2, 1), "largest: expected a number >= 2.0, got 1"),
        (lambda: transition(Adam(0.1), 1.0), "rule: expected one whose step is linear, got Adam"),
        (lambda: convergence_factor(Momentum(0.1), []), "curvatures: expected at least one"),
        (lambda: descend(Momentum(0.1), quadratic, START, -1), "num_steps: expected a whole numb"),
        (lambda: stationary_variance(1.0, 2.0, 1.0), "rate: expected a number > 0 and < 1.0"),
    ):
        with pytest.raises(ArgumentError) as raised:
            call()
        assert line in str(raised.value) and "\n" not in str(raised.value)
