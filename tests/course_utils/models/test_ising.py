"""The Ising model against enumeration of all grids, autograd and known limits."""

import itertools
import math

import pytest
import torch
from scipy import integrate, stats

from course_utils.arguments import ArgumentError
from course_utils.models.ising import (
    CRITICAL_COUPLING,
    Ising,
    bonds,
    checkerboard_gibbs,
    grid_couplings,
    mean_field,
    mean_field_free_energy,
    onsager_magnetisation,
)


def every_grid(rows, columns):
    count = rows * columns
    bits = torch.arange(2**count)[:, None] >> torch.arange(count)
    return (2 * (bits & 1) - 1).reshape(-1, rows, columns)


def enumerated_exponents(s, coupling, field):
    """K times the bonds plus h times the spins, bond by bond."""
    (rows, columns), s = s.shape[1:], s.double()
    total = field * s.sum((1, 2))
    for r, c in itertools.product(range(rows), range(columns)):
        total += coupling * s[:, r, c] * s[:, r, (c + 1) % columns]
        total += coupling * s[:, r, c] * s[:, (r + 1) % rows, c]
    return total


@pytest.mark.concept("pgm.ising-meanfield")
@pytest.mark.parametrize(("coupling", "field"), [(0.4, 0.0), (0.7, 0.2), (-0.3, 0.5)])
def test_transfer_matrix_equals_the_sum_over_65536_grids(coupling, field):
    exact = enumerated_exponents(every_grid(4, 4), coupling, field).logsumexp(0)
    found = Ising(4, 4, coupling, field).log_partition().detach()
    assert abs(float(found - exact)) < 1e-9


@pytest.mark.concept("pgm.ising-meanfield")
def test_mean_field_free_energy_is_never_below_minus_log_z(generator):
    """At fixed points and at random magnetisations, for many temperatures; it is a KL above it."""
    for coupling, field in itertools.product((0.05, 0.2, 0.44, 0.8), (0.0, 0.1, 0.5)):
        floor = -Ising(4, 4, coupling, field).log_partition().item()
        grid = grid_couplings(4, 4, coupling)
        fields = torch.full((16,), field, dtype=torch.float64)
        start = 2 * torch.rand(16, generator=generator, dtype=torch.float64) - 1
        found = mean_field(grid, fields, start, 60)
        assert float(mean_field_free_energy(grid, fields, start)) >= floor
        assert float(found.free_energy) >= floor
        assert all(b <= a + 1e-12 for a, b in itertools.pairwise(found.history))


def test_free_energy_is_the_divergence_above_minus_log_z(generator):
    """F(m) + log Z = KL(q ‖ p), summed over the 512 grids of 3 by 3."""
    model, coupling, field = Ising(3, 3, 0.3, 0.2), 0.3, 0.2
    m = 2 * torch.rand(9, generator=generator, dtype=torch.float64) - 1
    s = every_grid(3, 3)
    log_q = ((1 + s.flatten(1) * m) / 2).log().sum(1)
    divergence = (log_q.exp() * (log_q - model.log_prob(s))).sum()
    fields = torch.full((9,), field, dtype=torch.float64)
    found = mean_field_free_energy(grid_couplings(3, 3, coupling), fields, m)
    assert abs((found + model.log_partition() - divergence).item()) < 1e-12


def test_mean_field_is_stationary_and_breaks_symmetry_above_one_quarter():
    fields, start = torch.zeros(16).double(), torch.full((16,), 0.3).double()
    for coupling, ordered in ((0.2, False), (0.3, True)):
        found = mean_field(grid_couplings(4, 4, coupling), fields, start, 150)
        m = found.magnetisation.clone().requires_grad_()
        energy = mean_field_free_energy(grid_couplings(4, 4, coupling), fields, m)
        (gradient,) = torch.autograd.grad(energy, m)
        assert float(gradient.abs().max()) < 1e-8
        assert (float(found.magnetisation.mean()) > 0.2) is ordered


def test_probabilities_sum_to_one_and_the_loss_moves_towards_the_data(generator):
    model = Ising(3, 4, 0.3, -0.2)
    s = every_grid(3, 4)
    log_probs = model.log_prob(s)
    assert abs(float(log_probs.logsumexp(0).detach())) < 1e-12
    torch.testing.assert_close(
        log_probs.detach(),
        enumerated_exponents(s, 0.3, -0.2).log_softmax(0),
        rtol=0,
        atol=1e-12,
    )
    data = model.sample(50, generator=generator)
    model.loss(data)["total"].backward()
    expected = (log_probs.exp()[:, None] * model.statistics(s)).sum(0) - model.statistics(
        data
    ).mean(0)
    gradient = torch.stack([model.coupling.grad, model.field.grad])
    torch.testing.assert_close(gradient, expected.detach(), rtol=0, atol=1e-10)


def test_draws_follow_the_law(generator):
    model = Ising(3, 3, 0.25, 0.1)
    draws = model.sample(20_000, generator=generator)
    places = 2 ** torch.arange(9)
    counts = torch.bincount(((draws.flatten(1) + 1) // 2) @ places, minlength=512)
    probs = model.log_prob(every_grid(3, 3)).exp().detach() * 20_000
    rare = probs < 5
    observed = [*counts[~rare].tolist(), int(counts[rare].sum())]
    expected = [*probs[~rare].tolist(), float(probs[rare].sum())]
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def test_checkerboard_keeps_the_law(generator):
    """Exact draws stay exact: means of bonds and spins before and after, in standard errors."""
    model = Ising(4, 4, 0.3, 0.1)
    before = model.sample(8000, generator=generator)
    after = checkerboard_gibbs(before, 0.3, 0.1, 3, generator)
    assert float((after != before).double().mean()) > 0.2
    exact = torch.autograd.grad(model.log_partition(), (model.coupling, model.field))
    for name, column in (("bonds", 0), ("spins", 1)):
        values = model.statistics(after)[:, column]
        error = values.std() / math.sqrt(8000)
        assert abs(values.mean() - exact[column]) < 4 * error, name


def test_one_sweep_draws_from_the_conditionals(generator):
    """With all black neighbours fixed at +1, white spins are up with a known probability."""
    s = torch.ones(4000, 4, 4, dtype=torch.int64)
    swept = checkerboard_gibbs(s, 0.2, -0.5, 1, generator)
    black = (torch.arange(4)[:, None] + torch.arange(4)) % 2 == 0
    share = (swept[:, black] == 1).double().mean()
    up = 1 / (1 + math.exp(-2 * (4 * 0.2 - 0.5)))
    assert abs(float(share) - up) < 4 * math.sqrt(up * (1 - up) / (4000 * 8))


def test_wide_grids_approach_onsager():
    """Free energy per spin of a long strip beside Onsager's integral, above the critical point."""
    coupling = 0.3
    k = 2 * math.sinh(2 * coupling) / math.cosh(2 * coupling) ** 2
    integral = integrate.quad(
        lambda u: math.log((1 + math.sqrt(1 - (k * math.sin(u)) ** 2)) / 2), 0, math.pi
    )[0]
    infinite = math.log(2 * math.cosh(2 * coupling)) + integral / (2 * math.pi)
    found = Ising(200, 8, coupling).log_partition().item() / 1600
    assert abs(found - infinite) < 2e-3
    assert abs(math.sinh(2 * CRITICAL_COUPLING) - 1) < 1e-12
    assert onsager_magnetisation(CRITICAL_COUPLING) == 0
    assert onsager_magnetisation(0.5) == pytest.approx((1 - math.sinh(1) ** -4) ** 0.125)


def test_couplings_count_each_bond_once(generator):
    s = torch.randint(2, (5, 3, 4), generator=generator) * 2 - 1
    grid = grid_couplings(3, 4, 1.0)
    flat = s.flatten(1).double()
    torch.testing.assert_close(0.5 * ((flat @ grid) * flat).sum(1), bonds(s).double())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Ising(2, 4, 0.1), "rows: expected a whole number >= 3, got 2"),
        (lambda: Ising(4, 11, 0.1), "columns: expected a whole number >= 3 and <= 10, got 11"),
        (
            lambda: Ising(3, 3, 0.1).log_prob(torch.zeros(1, 3, 3, dtype=torch.int64)),
            "abs(s): expected values >= 1, got a value of 0",
        ),
        (
            lambda: checkerboard_gibbs(torch.ones(3, 4, dtype=torch.int64), 0.1, 0.0, 1),
            "s: expected an even number of rows, got 3",
        ),
        (
            lambda: mean_field(torch.ones(2, 2), torch.zeros(2), torch.zeros(2), 1),
            "couplings.diagonal(): expected values <= 0, got a value of 1.0",
        ),
        (lambda: grid_couplings(2, 3, 0.1), "rows: expected a whole number >= 3, got 2"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
