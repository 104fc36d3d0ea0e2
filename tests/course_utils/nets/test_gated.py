"""The gated activation: which half decides, on which axis, and what is refused."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.nets.gated import gated_activation


@pytest.mark.parametrize("axes", [(), (3,), (3, 2)])
def test_first_half_is_bent_and_second_half_opens(axes):
    h = torch.zeros(2, 4, *axes, dtype=torch.float64)
    h[:, 0], h[:, 1], h[:, 2], h[:, 3] = 0.5, -2.0, 1.5, 30.0
    out = gated_activation(h)
    assert out.shape == (2, 2, *axes)
    first = math.tanh(0.5) / (1 + math.exp(-1.5))
    torch.testing.assert_close(out[:, 0], torch.full_like(out[:, 0], first))
    torch.testing.assert_close(out[:, 1], torch.full_like(out[:, 1], math.tanh(-2.0)))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^h: expected an even number of channels, got 3$"):
        gated_activation(torch.zeros(1, 3, 5))
