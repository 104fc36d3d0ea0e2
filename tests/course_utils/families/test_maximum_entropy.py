"""Maximum entropy against the families it must return, and against random rivals."""

import math

import pytest
import scipy.optimize
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.families import maximum_entropy


def grid(low, high, num):
    x = torch.linspace(low, high, num, dtype=torch.float64)
    return x, torch.full_like(x, float(x[1] - x[0]))


@pytest.mark.concept("dist.normal-clt")
@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.5, 1.25), (-2.0, 0.3)])
def test_mean_and_variance_give_the_gaussian(mean, variance):
    x, cell = grid(-10, 10, 2001)
    targets = torch.tensor([mean, variance + mean**2], dtype=torch.float64)
    probs, multipliers = maximum_entropy(torch.stack([x, x**2]), targets, cell)
    expected = scipy.stats.norm.pdf(x.numpy(), mean, math.sqrt(variance))
    assert (probs / cell - torch.from_numpy(expected)).abs().max() < 1e-6
    assert multipliers.tolist() == pytest.approx([mean / variance, -0.5 / variance], abs=1e-6)


@pytest.mark.concept("dist.normal-clt")
def test_other_constraints_give_other_families():
    k = torch.arange(400, dtype=torch.float64)
    probs, _ = maximum_entropy(k[None], torch.tensor([3.0], dtype=torch.float64))
    torch.testing.assert_close(
        probs, torch.from_numpy(scipy.stats.geom.pmf(k.numpy() + 1, 0.25)), rtol=0, atol=1e-9
    )
    x = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    targets = torch.tensor(
        [scipy.special.digamma(a) - scipy.special.digamma(7.0) for a in (3.0, 4.0)],
        dtype=torch.float64,
    )
    probs, multipliers = maximum_entropy(torch.stack([x.log(), (1 - x).log()]), targets)
    expected = torch.from_numpy(scipy.stats.beta.pdf(x.numpy(), 3, 4))
    assert (probs * 4000 - expected).abs().max() < 1e-4
    assert multipliers.tolist() == pytest.approx([2, 3], abs=1e-4)


@pytest.mark.concept("dist.normal-clt")
def test_no_other_law_with_these_moments_has_more_entropy(generator):
    """Walk from the answer in directions that keep mass, mean and second moment."""
    x, _ = grid(-3, 3, 25)
    constraints = torch.stack([torch.ones_like(x), x, x**2])
    targets = torch.tensor([0.4, 1.1], dtype=torch.float64)
    probs, _ = maximum_entropy(constraints[1:], targets)
    assert torch.allclose(constraints[1:] @ probs, targets, atol=1e-9)
    best = torch.special.entr(probs).sum()
    null = torch.linalg.svd(constraints).Vh[3:]
    for _ in range(50):
        step = torch.randn(len(null), generator=generator, dtype=torch.float64) @ null
        step = step * 0.5 * (probs / step.abs()).min()
        assert torch.special.entr(probs + step).sum() < best


@pytest.mark.concept("dist.normal-clt")
def test_a_general_optimiser_finds_the_same():
    x = torch.linspace(0, 1, 6, dtype=torch.float64)
    measure = torch.tensor([1.0, 2, 1, 1, 3, 1], dtype=torch.float64)
    probs, _ = maximum_entropy(x[None], torch.tensor([0.3], dtype=torch.float64), measure)
    found = scipy.optimize.minimize(
        lambda p: (p * torch.tensor(p).div(measure).log().numpy()).sum(),
        [1 / 6] * 6,
        bounds=[(1e-9, 1)] * 6,
        constraints=[
            {"type": "eq", "fun": lambda p: p.sum() - 1},
            {"type": "eq", "fun": lambda p: p @ x.numpy() - 0.3},
        ],
        tol=1e-12,
    )
    assert abs(probs - torch.tensor(found.x)).max() < 1e-5


@pytest.mark.parametrize("targets", [[0.5, 0.1], [5.0, 30.0]])
def test_moments_that_no_law_has_are_refused(targets):
    x, cell = grid(-3, 3, 101)
    with pytest.raises(ArgumentError, match="targets: expected moments of a law"):
        maximum_entropy(torch.stack([x, x**2]), torch.tensor(targets, dtype=torch.float64), cell)


def test_bad_shapes_get_one_line(as_user):
    x, _ = grid(-3, 3, 11)
    with pytest.raises(ArgumentError, match=r"targets: expected shape \(1\)"):
        maximum_entropy(x[None], torch.zeros(2, dtype=torch.float64))
    with pytest.raises(ArgumentError, match="measure: expected values >= 0"):
        maximum_entropy(x[None], torch.zeros(1, dtype=torch.float64), -torch.ones_like(x))
