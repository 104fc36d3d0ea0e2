"""Sizes, receptive fields by derivatives, and the residual block against its formula."""

import pytest
import torch
from torch.nn import functional

from course_utils.arguments import ArgumentError
from course_utils.nets.receptive import depends_on
from course_utils.nets.resampling import ResidualBlock, growing, shrinking


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_each_step_halves_or_doubles_both_sides(steps, generator):
    small = shrinking(3, 4, 5, steps)(torch.randn(2, 3, 8, 16, generator=generator))
    assert small.shape == (2, 5, 8 >> steps, 16 >> steps)
    assert growing(5, 4, 3, steps)(small).shape == (2, 3, 8, 16)


def test_a_halving_centres_its_window_on_the_place():
    """A 3 x 3 layer before a 4 x 4 halving: output i reads inputs 2 i - 2 to 2 i + 3."""
    net = shrinking(1, 4, 1, 1, num_blocks=0).double()
    seen = depends_on(lambda x: net(x[None])[0, 0], torch.randn(1, 12, 12).double())
    rows = seen.reshape(6, 6, 12, 12)[2, 2].any(1)
    assert rows.nonzero().flatten().tolist() == list(range(2, 8))


def test_a_doubling_reads_the_places_around_it():
    """Output j lies in place j // 2; the layers before and after each widen it by one."""
    net = growing(1, 4, 1, 1, num_blocks=0).double()
    seen = depends_on(lambda x: net(x[None])[0, 0], torch.randn(1, 8, 8).double())
    rows = seen.reshape(16, 16, 8, 8)[7, 7].any(1)
    assert rows.nonzero().flatten().tolist() == [1, 2, 3, 4, 5]


def test_residual_block_is_its_formula(generator):
    block = ResidualBlock(3).double()
    h = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)
    padded = functional.pad(functional.silu(h), (1, 1, 1, 1))
    wide = torch.zeros_like(h) + block.wide.bias[:, None, None]
    for a in range(3):
        for b in range(3):
            tap = block.wide.weight[:, :, a, b]
            wide = wide + torch.einsum("oi,bihw->bohw", tap, padded[:, :, a : a + 4, b : b + 4])
    point = torch.einsum("oi,bihw->bohw", block.point.weight[..., 0, 0], functional.silu(wide))
    expected = h + point + block.point.bias[:, None, None]
    torch.testing.assert_close(block(h), expected, rtol=1e-10, atol=1e-12)


def test_sizes_are_checked(as_user):
    with pytest.raises(ArgumentError, match=r"^channels: expected a whole number >= 1, got 0"):
        shrinking(1, 0, 1, 1)
    with pytest.raises(ArgumentError, match=r"^number of halvings or doublings: expected .* -1"):
        growing(1, 1, 1, -1)
