"""FID of images and what surrounds it, against the distance of features and simulated truths."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.features import scene_features
from course_utils.metrics.fid import extract_features, extrapolated_fid, fid, fid_floor
from course_utils.metrics.frechet import frechet_bias, frechet_distance
from course_utils.worlds.scenes import GaussianScenes


class Pixels:
    """Features are the pixels of the first row; they are finite only without gradients."""

    def __init__(self):
        self.batches = []

    def features(self, x):
        assert not torch.is_grad_enabled()
        self.batches.append(len(x))
        return x[:, 0]


def images(generator, n, dim=4):
    return torch.randn(n, 2, dim, generator=generator, dtype=torch.float64)


def test_is_the_frechet_distance_of_the_features(generator):
    x, y = images(generator, 50), 2 * images(generator, 60) + 1
    assert fid(x, y, Pixels()) == frechet_distance(x[:, 0], y[:, 0])


def test_features_in_batches_are_the_features(generator):
    network = Pixels()
    x = images(generator, 25)
    assert torch.equal(extract_features(x, network, batch_size=10), x[:, 0])
    assert network.batches == [10, 10, 5]


def test_floor_is_the_expected_distance_of_equal_laws(generator):
    """Normal features: 40 floors average to the closed form for n = m = 150, to 4 errors."""
    floors = [
        fid_floor(images(generator, 301), Pixels(), num_splits=5, generator=generator)
        for _ in range(40)
    ]
    values = torch.tensor([f.value for f in floors], dtype=torch.float64)
    truth = frechet_bias(torch.eye(4, dtype=torch.float64), 150, 150)
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(40)


def test_spread_of_the_floor_is_that_of_fresh_pairs(generator):
    """100 fresh pairs and 100 halvings of 1200 images; each has relative error .07, four √2 of
    them .4.
    """
    fresh = torch.tensor(
        [fid(images(generator, 100), images(generator, 100), Pixels()).value for _ in range(100)]
    )
    spreads = [
        fid_floor(images(generator, 200), Pixels(), num_splits=20, generator=generator)
        for _ in range(20)
    ]
    stated = sum(s.standard_error for s in spreads) / 20
    assert stated == pytest.approx(fresh.std().item(), rel=0.4)


@pytest.mark.parametrize(("factor", "truth"), [(1.0, 0.0), (2.0, 12.0)])
def test_extrapolation_removes_the_bias(generator, factor, truth):
    """N(0, I) against itself and N(0, 4 I), Σ (2 − 1)² = 12 apart: the mean of 60 runs with 12
    features and n = 150 is within 4 standard errors; the plain value is not within 8.

    The stated error has relative error .24 in one run and the runs' spread .09, four of them .37.
    """
    dim = 12
    runs = []
    for _ in range(60):
        x, y = images(generator, 150, dim), factor * images(generator, 150, dim)
        estimate = extrapolated_fid(x, y, Pixels(), generator=generator)
        runs.append((estimate.value, fid(x, y, Pixels()).value, estimate.standard_error))
    extrapolated, plain, stated = torch.tensor(runs, dtype=torch.float64).T
    chance = 4 * extrapolated.std() / math.sqrt(60)
    assert abs(extrapolated.mean() - truth) < chance
    assert plain.mean() - truth > 2 * chance
    assert stated.mean().item() == pytest.approx(extrapolated.std().item(), rel=0.4)


def test_grows_with_the_noise_of_scenes(generator):
    """Held-out scenes against scenes with ever more noise: above the floor, in order, by far."""
    network = scene_features()
    world = GaussianScenes()
    truth = world.sample(800, generator=generator)
    floor = fid_floor(truth, network, num_splits=5, generator=generator)
    values = [
        fid(truth[:400], world.noised(s).sample(400, generator=generator), network).value
        for s in (0.2, 0.3, 0.4)
    ]
    assert values[0] > floor.value + 4 * floor.standard_error
    assert values == sorted(values)
    missing = torch.tensor([3, -1, -1, -1, -1])
    only_crosses = world.sample(400, condition=missing, generator=generator)
    assert fid(truth[:400], only_crosses, network).value > floor.value + 4 * floor.standard_error


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x, n: fid(x[:4], x, n),
            "x: expected at least 5 images for 4 features, got 4",
        ),
        (
            lambda x, n: fid(x, x[:2], n),
            "y: expected at least 5 images for 4 features, got 2",
        ),
        (
            lambda x, n: fid_floor(x[:9], n),
            "truth: expected at least 10 images for 4 features, got 9",
        ),
        (
            lambda x, n: extrapolated_fid(x, x[:7], n, num_groups=3),
            "y: expected at least 8 images for 4 features, got 7",
        ),
        (
            lambda x, n: extrapolated_fid(x, x, n, num_groups=1),
            "num_groups: expected a whole number >= 2, got 1",
        ),
        (
            lambda x, n: fid_floor(x, n, num_splits=1),
            "num_splits: expected a whole number >= 2, got 1",
        ),
        (
            lambda x, n: extract_features(x, n, batch_size=0),
            "batch_size: expected a whole number >= 1, got 0",
        ),
        (
            lambda x, n: fid(x[:, :, 0], x, n),
            "network.features: expected shape (20, dim), got shape (20,)",
        ),
        (
            lambda x, n: fid(x * math.nan, x, n),
            "images: expected finite values, got 160 NaN or infinite of 160",
        ),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    with pytest.raises(ArgumentError) as error:
        call(images(generator, 20), Pixels())
    assert str(error.value) == message
