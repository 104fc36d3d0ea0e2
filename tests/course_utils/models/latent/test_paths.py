"""Lines and arcs between codes."""

import math

import pytest
import torch
from torch import nn

from course_utils.models.latent.paths import arc, straight


@pytest.mark.concept("vae.latent-arithmetic")
def test_a_linear_decoder_maps_lines_to_lines(generator):
    decoder = nn.Linear(4, 9).double()
    a, b = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    share = torch.linspace(0, 1, 7, dtype=torch.float64)
    decoded = decoder(straight(a, b, share))
    torch.testing.assert_close(decoded, straight(decoder(a), decoder(b), share), rtol=0, atol=1e-6)


def test_ends_and_the_norm_of_the_middle(generator):
    a, b = torch.randn(2, 20_000, 16, generator=generator, dtype=torch.float64)
    share = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    for way, norm in ((straight, math.sqrt(8)), (arc, 4.0)):
        points = way(a, b, share)
        torch.testing.assert_close(points[0], a)
        torch.testing.assert_close(points[2], b)
        found = float(points[1].square().sum(-1).mean().sqrt())
        assert abs(found / norm - 1) < 0.01


def test_an_arc_turns_at_a_constant_speed_on_the_sphere(generator):
    a, b = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    b = b * a.norm(dim=-1, keepdim=True) / b.norm(dim=-1, keepdim=True)
    points = arc(a, b, torch.linspace(0, 1, 6, dtype=torch.float64))
    torch.testing.assert_close(points.norm(dim=-1), a.norm(dim=-1).expand(6, 3))
    cosines = torch.cosine_similarity(points[1:], points[:-1], dim=-1)
    torch.testing.assert_close(cosines, cosines[:1].expand_as(cosines))


def test_parallel_and_opposite_codes_take_the_straight_line():
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[2.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    share = torch.tensor([0.25], dtype=torch.float64)
    torch.testing.assert_close(arc(a, b, share), straight(a, b, share))
