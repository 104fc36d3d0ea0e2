"""The bootstrap, against enumeration of all resamples."""

import itertools
import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.bootstrap import bootstrap


def test_medians_by_enumeration(generator):
    """All 27 resamples of three numbers; 4000 drawn, within 4 binomial standard errors."""
    x = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)

    def median(counts):
        return x.repeat_interleave(counts.long()).median()

    truth = [sorted(t)[1] for t in itertools.product(x.tolist(), repeat=3)]
    drawn = bootstrap(median, 3, num_resamples=4000, generator=generator)
    for value in (1.0, 2.0, 5.0):
        share = truth.count(value) / 27
        found = (drawn == value).double().mean().item()
        assert abs(found - share) < 4 * math.sqrt(share * (1 - share) / 4000)


def test_counts_are_multinomial(generator):
    """Sum n, variance 1 − 1/n and covariance −1/n; .06 is 4 standard errors at 8000 draws."""
    counts = bootstrap(lambda c: c, 5, num_resamples=8000, generator=generator)
    assert counts.shape == (8000, 5)
    assert bool((counts.sum(1) == 5).all())
    truth = torch.eye(5, dtype=torch.float64) - 0.2
    torch.testing.assert_close(counts.T.cov(), truth, rtol=0, atol=0.06)


def test_error_of_a_mean(generator):
    """σ/√n with divisor n; relative error 1/√(2B) = .016 at B = 2000, four of them .063."""
    x = torch.randn(30, generator=generator, dtype=torch.float64)
    values = bootstrap(lambda c: c @ x / 30, 30, num_resamples=2000, generator=generator)
    truth = x.std(correction=0).item() / math.sqrt(30)
    assert values.std(0).item() == pytest.approx(truth, rel=0.063)


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 10), "num_examples: expected a whole number >= 2, got 1"),
        ((9, 1), "num_resamples: expected a whole number >= 2, got 1"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(ArgumentError) as error:
        bootstrap(lambda c: c.sum(), arguments[0], num_resamples=arguments[1])
    assert str(error.value) == message
