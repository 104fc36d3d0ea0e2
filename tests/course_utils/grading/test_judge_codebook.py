"""Handed-in codebooks: the distortion is an exact integral, and the best one is known."""

import math

import pytest
import torch
from safetensors.torch import save

from course_utils.grading import find_question
from course_utils.grading.judges.codebook import best_codebook, cells, distortion

SEEDS = (0, 7, 20_261, 2**31)


def law_of(seed):
    args = find_question("w04-codebook").instances(seed)[0].args
    return args["weights"], args["means"], args["stds"]


def gaussian():
    return tuple(torch.tensor([v]).double() for v in (1.0, 0.0, 1.0))


def packed(codes):
    return save({"codebook": torch.as_tensor(codes)})


def lloyd(samples, codes, rounds):
    for _ in range(rounds):
        indices = (samples[:, None] - codes).square().argmin(1)
        codes = torch.stack([samples[indices == k].mean() if (indices == k).any() else codes[k]
                             for k in range(len(codes))])  # fmt: skip
    return codes


@pytest.mark.parametrize(
    ("codes", "truth"),
    [
        ([0.0], 1.0),
        ([-0.7979, 0.7979], 0.3634),
        ([-1.5104, -0.4528, 0.4528, 1.5104], 0.1175),
    ],
)
def test_a_normal_law_has_the_distortions_of_the_published_table(codes, truth):
    found = distortion(torch.tensor([codes]).double(), gaussian())
    assert float(found[0]) == pytest.approx(truth, abs=6e-5)


def test_masses_centres_and_distortion_agree_with_quadrature():
    weights, means, stds = law_of(3)
    codes = torch.linspace(-8, 8, 8).double()
    x = torch.linspace(-20, 20, 400_001, dtype=torch.float64)
    t = (x[:, None] - means) / stds
    density = (weights / stds * torch.exp(-0.5 * t**2)).sum(1) / math.sqrt(2 * math.pi)
    mass = density * 1e-4
    indices = (x[:, None] - codes).square().argmin(1)
    total = (mass * (x - codes[indices]).square()).sum()
    assert float(distortion(codes[None], (weights, means, stds))[0]) == pytest.approx(
        float(total), abs=1e-5
    )
    found, centres = cells(codes[None], (weights, means, stds))
    for k in range(8):
        mine = indices == k
        assert float(found[0, k]) == pytest.approx(float(mass[mine].sum()), abs=1e-4)
        if mass[mine].sum() > 0.01:
            centre = float((mass * x)[mine].sum() / mass[mine].sum())
            assert float(centres[0, k]) == pytest.approx(centre, abs=1e-2)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_start_of_lloyd_on_the_samples_beats_the_best_codebook(seed):
    law = law_of(seed)
    best = best_codebook(law)
    least = float(distortion(best[None], law)[0])
    generator = torch.Generator().manual_seed(1)
    starts = law[1] + law[2] * torch.randn(200, 3, generator=generator, dtype=torch.float64)
    for row in range(0, 200, 8):
        codes = starts.T.reshape(-1)[row : row + 8]
        for _ in range(50):
            codes = cells(codes.sort().values[None], law)[1][0]
        assert float(distortion(codes.sort().values[None], law)[0]) > least - 1e-9
    assert find_question("w04-codebook").assess(packed(best.flip(0)), seed).fraction == 1


def test_a_codebook_with_dead_or_stuck_or_unfinished_codes_is_told(fails):
    law = law_of(0)
    best = best_codebook(law)
    heavy = int(law[0].argmax())
    one_cluster = law[1][heavy] + law[2][heavy] * torch.linspace(-2, 2, 8).double()
    dead = torch.cat(
        [lloyd(torch.linspace(-8, 9, 200).double(), best[:7], 3), torch.tensor([99.0])]
    )
    fails("w04-codebook", packed(dead), "distortion", "a dead code has to be moved")
    fails("w04-codebook", packed(one_cluster), "distortion", "means of their cells")
    stuck = one_cluster
    for _ in range(3000):
        stuck = cells(stuck[None], law)[1][0].sort().values
    verdict = fails("w04-codebook", packed(stuck), "distortion", "try other starts")
    assert verdict.fraction == 0


def test_a_little_too_much_earns_half(fails):
    law = law_of(0)
    best = best_codebook(law)
    least = float(distortion(best[None], law)[0])
    shift = (0.2 * least) ** 0.5
    verdict = fails("w04-codebook", packed(best + shift), "distortion", "means of their cells")
    assert verdict.fraction == 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_samples_are_those_of_the_law(seed):
    args = find_question("w04-codebook").instances(seed)[0].args
    mean = float(args["weights"] @ args["means"])
    spread = float(args["samples"].std())
    assert abs(float(args["samples"].mean()) - mean) < 4 * spread / 4000**0.5


@pytest.mark.parametrize(
    ("answer", "category", "words"),
    [
        (packed(torch.zeros(7)), "shape", "expected shape (8,)"),
        (packed(torch.zeros(8, 1)), "shape", "One number for each code"),
        (packed(torch.full((8,), math.nan)), "nan", "8 of 8 values"),
        (packed(torch.zeros(8, dtype=torch.int64)), "dtype", "floating-point"),
        (save({"codes": torch.zeros(8)}), "missing-tensor", "'codebook'"),
        ("c.safetensors", "missing-file", "no file 'c.safetensors'"),
        (packed(torch.zeros(8)), "distortion", "dead code"),
    ],
)
def test_unusable_codebooks_are_named(answer, category, words, fails):
    fails("w04-codebook", answer, category, words)
