"""Coordinate ascent against closed forms, enumeration and gradient descent on the divergence."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import sample_dirichlet
from course_utils.gaussians import Gaussian
from course_utils.inference import mean_field_gaussian, mean_field_table


def correlated(generator, dim) -> Gaussian:
    factor = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    mean = torch.randn(dim, generator=generator, dtype=torch.float64)
    return Gaussian(mean, factor @ factor.mT + 0.3 * torch.eye(dim, dtype=torch.float64))


@pytest.mark.concept("inf.mean-field-vi")
@pytest.mark.parametrize("dim", [2, 4])
def test_means_are_right_and_variances_too_small(dim, generator):
    target = correlated(generator, dim)
    ascent = mean_field_gaussian(target, torch.full_like(target.mean, 5.0), num_sweeps=400)
    torch.testing.assert_close(ascent.means[-1], target.mean, rtol=0, atol=1e-10)
    precision = torch.linalg.inv(target.covariance)
    torch.testing.assert_close(ascent.variances, 1 / precision.diagonal(), rtol=0, atol=1e-10)
    assert bool((ascent.variances < target.covariance.diagonal()).all())
    assert bool((ascent.kl.diff() <= 1e-12).all())
    assert len(ascent.means) == len(ascent.kl) == 400 * dim + 1
    left = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    assert float(ascent.kl[-1]) == pytest.approx(float(left), abs=1e-10)
    closed = target.mean_field()
    torch.testing.assert_close(ascent.variances, (2 * closed.log_std).exp())


@pytest.mark.concept("inf.mean-field-vi")
def test_every_update_is_the_best_for_its_coordinate(generator):
    target = correlated(generator, 3)
    ascent = mean_field_gaussian(target, torch.zeros(3, dtype=torch.float64), num_sweeps=2)
    for update in range(1, 7):
        i = (update - 1) % 3
        for shift in (-0.01, 0.01):
            moved = ascent.means[update].clone()
            moved[i] += shift
            assert Gaussian(moved, ascent.variances.diag()).kl(target) > ascent.kl[update]
        kept = torch.arange(3) != i
        assert torch.equal(ascent.means[update][kept], ascent.means[update - 1][kept])
        for factor in (0.98, 1.02):
            wider = ascent.variances.clone()
            wider[i] *= factor
            assert Gaussian(ascent.means[update], wider.diag()).kl(target) > ascent.kl[update]


@pytest.mark.concept("inf.mean-field-vi")
def test_two_coordinates_converge_at_the_squared_correlation():
    rho = 0.8
    covariance = torch.tensor([[1.0, rho], [rho, 1.0]], dtype=torch.float64)
    target = Gaussian(torch.zeros(2, dtype=torch.float64), covariance)
    start = torch.tensor([1.0, 1.0], dtype=torch.float64)
    means = mean_field_gaussian(target, start, num_sweeps=6).means[::2, 1]
    torch.testing.assert_close(means[2:] / means[1:-1], torch.full_like(means[2:], rho**2))


@pytest.mark.concept("inf.mean-field-vi")
def test_table_against_gradient_descent_on_the_divergence(generator):
    table = sample_dirichlet((24,), 1.0, generator).reshape(2, 3, 4)
    ascent = mean_field_table(table.log() + 1.7)
    assert bool((ascent.elbo.diff() >= -1e-12).all())
    assert float(ascent.elbo[-1]) < 1.7
    logits = [factor.log().clone().requires_grad_() for factor in ascent.factors]

    def divergence():
        q = torch.einsum("a,b,c->abc", *(a.softmax(0) for a in logits))
        return (q * (q.log() - table.log())).sum()

    assert float(divergence().detach()) == pytest.approx(1.7 - float(ascent.elbo[-1]), abs=1e-12)
    for gradient in torch.autograd.grad(divergence(), logits):
        assert float(gradient.abs().max()) < 1e-7


def test_independent_tables_are_found_in_one_sweep(generator):
    first, second = sample_dirichlet((2, 5), 1.0, generator)
    ascent = mean_field_table(torch.outer(first, second).log())
    torch.testing.assert_close(ascent.factors[0], first)
    torch.testing.assert_close(ascent.factors[1], second)
    assert float(ascent.elbo[-1]) == pytest.approx(0, abs=1e-12)


def test_a_gaussian_on_a_grid_is_the_gaussian_answer():
    rho = 0.6
    covariance = torch.tensor([[1.0, rho], [rho, 1.0]], dtype=torch.float64)
    target = Gaussian(torch.zeros(2, dtype=torch.float64), covariance)
    axis = torch.linspace(-7, 7, 141, dtype=torch.float64)
    log_joint = target.log_prob(torch.cartesian_prod(axis, axis)).reshape(141, 141)
    ascent = mean_field_table(log_joint)
    for factor in ascent.factors:
        assert float(factor @ axis) == pytest.approx(0, abs=1e-10)
        assert float(factor @ axis**2) == pytest.approx(1 - rho**2, abs=1e-9)
    lost = float(ascent.elbo[-1]) + 2 * math.log(0.1)
    assert lost == pytest.approx(0.5 * math.log(1 - rho**2), abs=1e-9)


def test_the_start_decides_between_two_optima():
    table = torch.tensor([[0.45, 0.05], [0.05, 0.45]], dtype=torch.float64)
    lean = torch.tensor([0.6, 0.4], dtype=torch.float64)
    one = mean_field_table(table.log(), start=(lean, lean)).factors[0][0]
    other = mean_field_table(table.log(), start=(lean.flip(0), lean.flip(0))).factors[0][0]
    assert float(one) == pytest.approx(0.75, abs=1e-9)  # m = tanh(m log 3) has the root 1/2
    assert float(other) == pytest.approx(0.25, abs=1e-9)


def test_wrong_input_is_one_line(as_user):
    target = Gaussian(torch.zeros(2), torch.eye(2))
    with pytest.raises(ArgumentError, match=r"start: expected shape \(2\)"):
        mean_field_gaussian(target, torch.zeros(3), num_sweeps=1)
    with pytest.raises(ArgumentError, match="num_sweeps: expected a whole number >= 1"):
        mean_field_gaussian(target, torch.zeros(2), num_sweeps=0)
    with pytest.raises(ArgumentError, match="number of variables: expected"):
        mean_field_table(torch.zeros(3))
    with pytest.raises(ArgumentError, match=r"start: expected sizes \(2, 3\), got \(2, 2\)"):
        mean_field_table(torch.zeros(2, 3), start=(torch.ones(2) / 2, torch.ones(2) / 2))
    with pytest.raises(ArgumentError, match="log_joint: expected finite values"):
        mean_field_table(torch.tensor([[0.0, -math.inf], [0.0, 0.0]]))
