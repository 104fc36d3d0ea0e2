"""The value is the hard one bit for bit, the gradient the soft one bit for bit."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.nets.straight_through import straight_through


@pytest.mark.concept("vae.straight-through")
def test_value_is_the_hard_one_and_the_gradient_that_of_the_identity(generator):
    soft = (1e3 * torch.randn(50, 4, generator=generator)).requires_grad_()
    hard = torch.randn(50, 4, generator=generator).mul(1e-3).requires_grad_()
    passed = straight_through(soft, hard)
    assert torch.equal(passed, hard)
    weights = torch.randn(50, 4, generator=generator)
    behind = (weights * passed).sin().sum()
    at_hard, at_soft, to_hard = torch.autograd.grad(behind, (passed, soft, hard), allow_unused=True)
    assert torch.equal(at_hard, at_soft)
    assert to_hard is None


@pytest.mark.concept("vae.straight-through")
def test_the_gradient_that_is_really_there_is_zero(generator):
    """Central differences of f(round(z)): zero almost everywhere, whatever f is."""
    z = torch.rand(20, generator=generator, dtype=torch.float64) * 0.8 - 0.4
    step = 1e-3
    difference = ((z + step).round().cos() - (z - step).round().cos()) / (2 * step)
    assert torch.equal(difference, torch.zeros_like(z))
    z.requires_grad_()
    straight_through(z, z.round() + 1).cos().sum().backward()
    torch.testing.assert_close(z.grad, torch.full_like(z, -1.0).sin(), rtol=1e-12, atol=0)


def test_shapes_have_to_agree(as_user):
    with pytest.raises(ArgumentError, match=r"^hard: expected shape \(2, 3\), got shape \(3,\)"):
        straight_through(torch.zeros(2, 3), torch.zeros(3))
