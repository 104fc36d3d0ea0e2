"""Waiting times: two laws forget, all others age."""

import math

import pytest
import scipy.stats
import torch
from torch.distributions import Exponential, Gamma, Geometric, NegativeBinomial, Poisson

from course_utils.arguments import ArgumentError
from course_utils.families import hazard, remaining_survival, survival


def number(value):
    return torch.tensor(value, dtype=torch.float64)


FORGETFUL = {
    "geometric": (Geometric(number(0.3)), [0, 1, 4, 9], [1, 2, 7]),
    "exponential": (Exponential(number(0.7)), [0.0, 0.5, 3.3], [0.2, 1.0, 4.0]),
}


@pytest.mark.concept("dist.process-network")
@pytest.mark.parametrize("name", FORGETFUL)
def test_geometric_and_exponential_waits_forget(name):
    law, ages, times = FORGETFUL[name]
    for age in ages:
        for time in times:
            assert abs(remaining_survival(law, age, time) - survival(law, time)) < 1e-12
        assert abs(hazard(law, age) - hazard(law, 0)) < 1e-12


@pytest.mark.concept("dist.process-network")
def test_other_waits_age():
    ageing = Gamma(number(2.0), number(1.0))  # survival (1 + t) exp(-t), by hand
    for age, time in ((1.0, 1.0), (3.0, 0.5)):
        expected = (1 + age + time) / (1 + age) * math.exp(-time)
        assert abs(remaining_survival(ageing, age, time) - expected) < 1e-12
        assert remaining_survival(ageing, age, time) < survival(ageing, time) - 0.01
    rates = [hazard(ageing, t).item() for t in (0.5, 1.0, 4.0)]
    assert rates == pytest.approx([t / (1 + t) for t in (0.5, 1.0, 4.0)], rel=1e-12)
    two = NegativeBinomial(number(2.0), probs=number(0.7))
    assert remaining_survival(two, 5, 3) < survival(two, 3) - 0.01


@pytest.mark.concept("dist.process-network")
def test_survival_is_the_probability_to_last_at_least_so_long():
    assert abs(survival(Geometric(number(0.3)), 4) - 0.7**4) < 1e-14
    assert survival(Geometric(number(0.3)), 0) == 1
    assert abs(survival(Poisson(number(3.0)), 2.5) - scipy.stats.poisson.sf(2, 3)) < 1e-14
    gamma = Gamma(number(2.5), number(1.5))
    assert abs(survival(gamma, 1.2) - scipy.stats.gamma.sf(1.2, 2.5, scale=1 / 1.5)) < 1e-13
    assert abs(hazard(Geometric(number(0.3)), 7) - 0.3) < 1e-14


def test_bad_arguments_get_one_line(as_user):
    law = Geometric(number(0.3))
    with pytest.raises(ArgumentError, match="time: expected a number >= 0, got -1"):
        survival(law, -1)
    with pytest.raises(ArgumentError, match="time: expected a number >= 0, got -1"):
        remaining_survival(law, 2, -1)
    with pytest.raises(ArgumentError, match=r"P.X ≥ age.: expected a number > 0"):
        remaining_survival(Exponential(number(1.0)), 800.0, 1.0)
