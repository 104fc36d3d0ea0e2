"""The spoilt truths: densities that integrate to one, samples that agree, a bound that holds."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.comparison.contenders import HeldOut
from course_utils.comparison.references import Collapsed, Diluted, Shifted
from course_utils.metrics.manifold import manifold_scores
from course_utils.tasks import Intractable
from course_utils.worlds.plane import eight_gaussians

MAKE = {
    "shifted": lambda world: Shifted(world, 0.7),
    "collapsed": lambda world: Collapsed(world, 0.3),
    "diluted": lambda world: Diluted(world, 0.4, scale=1.5),
}


@pytest.fixture
def world():
    return eight_gaussians(dtype=torch.float64)


def grid(half_width: float, num: int) -> tuple[torch.Tensor, float]:
    """Midpoints of num x num squares, and the area of one."""
    step = 2 * half_width / num
    line = (torch.arange(num, dtype=torch.float64) + 0.5) * step - half_width
    return torch.cartesian_prod(line, line), step**2


@pytest.mark.parametrize("name", MAKE)
def test_density_integrates_to_one_and_agrees_with_samples(name, world, generator) -> None:
    """Quadrature over the plane against the share of samples right of x_1 = 0.8."""
    torch.manual_seed(0)
    spoilt = MAKE[name](world)
    points, area = grid(9.0, 600)
    mass = spoilt.log_prob(points).exp() * area
    # Collapsed knows its normaliser from 20000 draws: 4 standard errors of log F are 4.3 %.
    # The cut crosses grid squares, which moves the mass by less than 1e-3.
    tolerance = 0.044 if name == "collapsed" else 1e-4
    assert mass.sum().item() == pytest.approx(1, abs=tolerance)
    n = 4000
    share = (spoilt.sample(n, generator=generator)[:, 0] > 0.8).double().mean().item()
    wanted = (mass[points[:, 0] > 0.8].sum() / mass.sum()).item()
    assert abs(share - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / n) + 1e-3


def test_collapsed_keeps_the_part_below_its_cut(world, generator) -> None:
    torch.manual_seed(0)
    spoilt = Collapsed(world, 0.3)
    assert bool((spoilt.sample(500, generator=generator).mean(-1) <= spoilt.cut).all())
    outside = spoilt.cut.item() + torch.ones(1, 2, dtype=torch.float64)
    assert spoilt.log_prob(outside).item() == -math.inf


@pytest.mark.concept("eval.tradeoffs")
def test_one_percent_truth_loses_at_most_log_100(world, generator) -> None:
    """Exactly, at every point, and tight where the noise has no mass; but 99 % of it is noise."""
    diluted = Diluted(world, 0.01, scale=1000.0)
    x = world.sample(2000, generator=generator)
    loss = world.log_prob(x) - diluted.log_prob(x)
    assert loss.max().item() <= math.log(100) + 1e-12
    peak = world.means[:1]
    narrow = Diluted(world, 0.01, scale=1e-2)
    tight = (world.log_prob(peak) - narrow.log_prob(peak)).item()
    assert tight == pytest.approx(math.log(100), abs=1e-12)
    n = 4000
    fake, real = diluted.sample(n, generator=generator), world.sample(n, generator=generator)
    precision = manifold_scores(real, fake).precision.value
    assert abs(precision - 0.01) < 3 * math.sqrt(0.01 * 0.99 / n)


def test_held_out_examples_are_drawn_once_each(generator) -> None:
    examples = torch.arange(20.0)[:, None]
    drawn = HeldOut(examples).sample(12, generator=generator)
    assert len(drawn.unique()) == 12
    assert not torch.equal(drawn, examples[:12])
    assert len(HeldOut(examples).sample(50, generator=generator)) == 20
    with pytest.raises(Intractable, match="nobody knows the law of real examples"):
        HeldOut(examples).log_prob(examples)


def test_bad_arguments(world, as_user) -> None:
    for make, message in (
        (lambda: Shifted(world, math.nan), "offset: expected a number, got nan"),
        (lambda: Collapsed(world, 1.0), "share: expected a number > 0 and < 1, got 1.0"),
        (lambda: Diluted(world, 0), "share: expected a number > 0 and < 1, got 0"),
        (lambda: Diluted(world, 0.5, scale=0.0), "scale: expected a number > 0, got 0.0"),
    ):
        with pytest.raises(ArgumentError) as caught:
            make()
        assert str(caught.value) == message
