"""f-divergences against their closed forms, written with numpy and scipy. Tolerance 1e-12."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special
from scipy.spatial import distance

from course_utils import divergences
from course_utils.arguments import ArgumentError
from course_utils.distributions import sample_dirichlet
from course_utils.divergences import (
    CHI_SQUARE,
    FAMILY,
    JENSEN_SHANNON,
    KL,
    REVERSE_KL,
    SQUARED_HELLINGER,
    TOTAL_VARIATION,
    FDivergence,
    alpha_divergence,
)

CLOSED = {
    "forward KL": lambda p, q: special.rel_entr(p, q).sum(-1),
    "reverse KL": lambda p, q: special.rel_entr(q, p).sum(-1),
    "Jensen-Shannon": lambda p, q: distance.jensenshannon(p, q, axis=-1) ** 2,
    "total variation": lambda p, q: np.abs(p - q).sum(-1) / 2,
    "squared Hellinger": lambda p, q: 1 - np.sqrt(p * q).sum(-1),
    "chi-square": lambda p, q: (p**2 / q).sum(-1) - 1,
}


def pairs(generator, count=1000, levels=6):
    return sample_dirichlet((2, count, levels), 1.0, generator)


@pytest.mark.concept("div.f-divergences")
@pytest.mark.parametrize("divergence", FAMILY, ids=lambda d: d.name)
def test_generators_give_the_closed_forms_on_1000_pairs(divergence, generator):
    p, q = pairs(generator)
    expected = CLOSED[divergence.name](p.numpy(), q.numpy())
    np.testing.assert_allclose(divergence(p, q).numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.concept("div.f-divergences")
def test_pinsker_and_its_relatives_hold_on_1000_pairs(generator):
    p, q = pairs(generator)
    variation, kl = TOTAL_VARIATION(p, q), KL(p, q)
    assert bool((variation**2 <= kl / 2).all())
    assert bool((kl <= torch.log1p(CHI_SQUARE(p, q)) + 1e-12).all())
    assert bool((SQUARED_HELLINGER(p, q) <= variation + 1e-12).all())
    assert bool((variation <= (2 * SQUARED_HELLINGER(p, q)).sqrt() + 1e-12).all())
    assert float(JENSEN_SHANNON(p, q).max()) < math.log(2)


@pytest.mark.parametrize("divergence", FAMILY, ids=lambda d: d.name)
def test_curve_is_the_adjoint_of_the_adjoint_and_convex(divergence):
    t = torch.linspace(0.05, 6, 400, dtype=torch.float64)
    curve = divergence.curve(t)
    assert bool((curve.diff().diff() >= -1e-12).all())
    turned = divergence.reversed("turned")
    torch.testing.assert_close(turned.curve(1 / t) * t, curve, rtol=1e-12, atol=1e-12)
    assert abs(float(divergence.curve(torch.ones(1, dtype=torch.float64)))) < 1e-15
    direct = {
        "forward KL": t * t.log(),
        "reverse KL": -t.log(),
        "Jensen-Shannon": (t * t.log() - (1 + t) * ((1 + t) / 2).log()) / 2,
        "total variation": (t - 1).abs() / 2,
        "squared Hellinger": (t.sqrt() - 1) ** 2 / 2,
        "chi-square": (t - 1) ** 2,
    }[divergence.name]
    torch.testing.assert_close(curve, direct, rtol=1e-12, atol=1e-12)


def test_missing_mass_costs_what_the_limits_say():
    p, q = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]], dtype=torch.float64)
    assert KL(p, q) == math.inf and REVERSE_KL(p, q) == math.inf
    assert CHI_SQUARE(p, q) == math.inf
    half = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    full = torch.full((3,), 1 / 3, dtype=torch.float64)
    assert float(KL(half, full)) == pytest.approx(math.log(1.5), abs=1e-15)
    assert REVERSE_KL(half, full) == math.inf
    assert float(CHI_SQUARE(half, full)) == pytest.approx(0.5, abs=1e-14)
    apart = torch.eye(2, dtype=torch.float64)
    for divergence, largest in (
        (TOTAL_VARIATION, 1.0),
        (SQUARED_HELLINGER, 1.0),
        (JENSEN_SHANNON, math.log(2)),
    ):
        assert float(divergence(apart[0], apart[1])) == pytest.approx(largest, abs=1e-15)
    for divergence in FAMILY:
        assert float(divergence(half, half)) == 0


def test_alpha_family_contains_its_named_members(generator):
    p, q = pairs(generator, 50)
    for alpha, expected in (
        (1.0, KL(p, q)),
        (0.0, REVERSE_KL(p, q)),
        (0.5, 4 * SQUARED_HELLINGER(p, q)),
        (2.0, CHI_SQUARE(p, q) / 2),
        (-1.0, CHI_SQUARE(q, p) / 2),
        (0.3, ((p**0.3 * q**0.7).sum(-1) - 1) / (0.3 * -0.7)),
    ):
        torch.testing.assert_close(alpha_divergence(alpha)(p, q), expected, rtol=1e-10, atol=1e-12)


def test_terms_integrate_to_the_gaussian_divergence():
    """On a grid, against scipy's adaptive quadrature of p log(p/q), far into the tails."""

    def log_density(x, mean, std):
        return -0.5 * ((x - mean) / std) ** 2 - math.log(std * math.sqrt(2 * math.pi))

    x = torch.linspace(-60, 60, 20001, dtype=torch.float64)
    terms = KL.terms(log_density(x, 0.0, 1.0), log_density(x, 1.0, 0.5))
    total = float(terms.sum() * (x[1] - x[0]))

    def integrand(v):
        log_p, log_q = log_density(v, 0.0, 1.0), log_density(v, 1.0, 0.5)
        return math.exp(log_p) * (log_p - log_q)

    assert total == pytest.approx(integrate.quad(integrand, -15, 15)[0], abs=1e-9)


def test_data_processing_lowers_every_divergence(generator):
    p, q = pairs(generator, 200)
    channel = sample_dirichlet((6, 4), 1.0, generator)
    for divergence in FAMILY:
        assert bool((divergence(p @ channel, q @ channel) <= divergence(p, q) + 1e-12).all())


def test_gradient_flows_through_the_terms(generator):
    p, q = pairs(generator, 1)[:, 0]
    logits = q.log().requires_grad_()
    for divergence in FAMILY:
        terms = divergence.terms(p.log(), logits.log_softmax(-1))
        (gradient,) = torch.autograd.grad(terms.sum(), logits)
        step = 1e-6 * torch.eye(6, dtype=torch.float64)
        shifted = [divergence(p.expand(6, 6), (logits + s * step).softmax(-1)) for s in (1, -1)]
        numeric = (shifted[0] - shifted[1]) / 2e-6
        torch.testing.assert_close(gradient, numeric.detach(), rtol=1e-5, atol=1e-8)


def test_slope_where_both_laws_agree(generator):
    """There the two forms of a term meet; the derivative of q f(p/q) by log q is −q f'(1)."""
    log_p = sample_dirichlet((5,), 1.0, generator).log()
    for divergence, slope in ((KL, -1.0), (REVERSE_KL, 1.0), (CHI_SQUARE, 0.0)):
        log_q = log_p.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(
            divergence.terms(log_p, log_q).sum(), log_q, create_graph=True
        )
        torch.testing.assert_close(gradient, slope * log_p.exp(), rtol=0, atol=1e-14)


def test_wrong_input_is_one_line(as_user):
    good = torch.tensor([0.5, 0.5])
    with pytest.raises(ArgumentError, match="p: expected probabilities that sum to 1"):
        KL(torch.tensor([0.5, 0.4]), good)
    with pytest.raises(ArgumentError, match=r"q: expected the shape \(2,\) of p, got \(3,\)"):
        KL(good, torch.full((3,), 1 / 3))
    with pytest.raises(ArgumentError, match="alpha: expected a number"):
        alpha_divergence(math.nan)
    with pytest.raises(ArgumentError, match="ratio: expected values >= 0"):
        KL.curve(torch.tensor([-1.0]))
    assert isinstance(divergences.KL, FDivergence)
