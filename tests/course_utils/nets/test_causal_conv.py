"""The convolution against its sum, the reach of a stack against autograd, queues against both."""

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.nets.causal_conv import CausalConv1d, receptive_field


def random_conv(*sizes, generator):
    conv = CausalConv1d(*sizes).double()
    for weight in conv.parameters():
        nn.init.normal_(weight, generator=generator)
    return conv


@pytest.mark.concept("ar.dilated-causal-conv")
@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (2, 4), (3, 2), (4, 5)])
def test_layer_equals_the_explicit_sum(kernel_size, dilation, generator):
    conv = random_conv(2, 3, kernel_size, dilation, generator=generator)
    h = torch.randn(2, 2, 11, generator=generator, dtype=torch.float64)
    wanted = conv.bias[None, :, None].repeat(2, 1, 11)
    for t in range(11):
        for s in range(kernel_size):
            if t - dilation * s >= 0:
                tap = conv.weight[:, :, kernel_size - 1 - s]
                wanted[:, :, t] += h[:, :, t - dilation * s] @ tap.T
    torch.testing.assert_close(conv(h), wanted, atol=1e-12, rtol=0)


def last_output_reaches(kernel_size, dilations, length):
    """How far back the last output of a stack depends on its input, by autograd."""
    layers = [CausalConv1d(1, 1, kernel_size, d) for d in dilations]
    for layer in layers:
        nn.init.constant_(layer.weight, 1 / kernel_size)  # positive, so that no path cancels
    h = torch.zeros(1, 1, length, requires_grad=True)
    nn.Sequential(*layers)(h)[0, 0, -1].backward()
    touched = h.grad[0, 0].nonzero()[:, 0]
    assert torch.equal(touched, torch.arange(int(touched[0]), length))
    return length - int(touched[0])


@pytest.mark.concept("ar.dilated-causal-conv")
def test_ten_layers_of_doubling_dilation_see_exactly_1024_samples():
    dilations = [2**layer for layer in range(10)]
    assert dilations[-1] == 512
    assert receptive_field(2, dilations) == 1024
    assert last_output_reaches(2, dilations, 1100) == 1024


@pytest.mark.concept("ar.dilated-causal-conv")
@pytest.mark.parametrize(
    ("kernel_size", "dilations", "wanted"),
    [(2, (1, 1, 1, 1), 5), (3, (1, 2, 4), 15), (2, (1, 2, 4, 1, 2, 4), 15), (1, (7,), 1)],
)
def test_reach_by_autograd_is_the_formula(kernel_size, dilations, wanted):
    assert receptive_field(kernel_size, dilations) == wanted
    assert last_output_reaches(kernel_size, dilations, 40) == wanted


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (2, 3), (3, 2)])
def test_queue_gives_the_same_outputs_one_by_one(kernel_size, dilation, generator):
    conv = random_conv(2, 3, kernel_size, dilation, generator=generator)
    h = torch.randn(4, 2, 9, generator=generator, dtype=torch.float64)
    queue, outputs = conv.start(4), []
    for now in h.unbind(-1):
        y, longer = conv.step(queue, now)
        assert len(longer) == len(queue) == (kernel_size - 1) * dilation
        queue = longer
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs, -1), conv(h), atol=1e-12, rtol=0)


def test_a_queue_can_be_used_twice(generator):
    conv = random_conv(1, 1, 2, 2, generator=generator)
    now = torch.ones(1, 1, dtype=torch.float64)
    _, queue = conv.step(conv.start(1), now)
    first = conv.step(queue, now)
    again = conv.step(queue, now)
    assert torch.equal(first[0], again[0])


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^dilation: expected a whole number >= 1, got 0$"):
        CausalConv1d(1, 1, 2, 0)
    with pytest.raises(ArgumentError, match=r"^kernel_size: expected a whole number >= 1, got 0$"):
        receptive_field(0, (1,))
    with pytest.raises(ArgumentError, match=r"^dilations: expected a whole number >= 1, got -1$"):
        receptive_field(2, (1, -1))
