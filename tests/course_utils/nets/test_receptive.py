"""Two roads to a receptive field: derivatives, and the convolution of masks."""

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.nets.masked_conv import MaskedConv2d
from course_utils.nets.pixel_lstm import RowLSTM
from course_utils.nets.receptive import (
    convolve_fields,
    depends_on,
    join_fields,
    plain_field,
    row_lstm_field,
    seen_from,
    two_stack_field,
)
from course_utils.nets.two_stacks import GatedLayer

HEIGHT, WIDTH = 6, 7


def offsets(field):
    """The offsets of a field as a set of (rows down, columns right)."""
    reach = len(field) // 2
    return {(r - reach, c - reach) for r, c in field.nonzero().tolist()}


def measured(network, generator):
    """Which pixels each output pixel of a one-channel network sees, by its derivatives."""
    x = torch.randn(HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    seen = depends_on(lambda image: network(image[None, None])[0].sum(0), x)
    return seen.reshape(HEIGHT, WIDTH, HEIGHT, WIDTH)


def predicted(field):
    places = [[seen_from(field, r, c, HEIGHT, WIDTH) for c in range(WIDTH)] for r in range(HEIGHT)]
    return torch.stack([torch.stack(row) for row in places])


def plain(sizes):
    layers = [MaskedConv2d(1, 4, sizes[0], "A")]
    for size in sizes[1:]:
        layers += [nn.Tanh(), MaskedConv2d(4, 4, size, "B")]
    return nn.Sequential(*layers).double()


class TwoStacks(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        kinds = "A" + "B" * (len(sizes) - 1)
        inputs = [1] + [4] * (len(sizes) - 1)
        self.layers = nn.ModuleList(map(GatedLayer, inputs, [4] * len(sizes), sizes, kinds))

    def forward(self, x):
        v = h = x
        for layer in self.layers:
            v, h, skip = layer(v, h)
        return torch.cat([h, skip], 1)


STACKS = [(3,), (3, 3), (3, 3, 3), (5, 3), (3, 3, 3, 3, 3), (5, 5)]


@pytest.mark.concept("ar.masked-conv")
@pytest.mark.parametrize("sizes", STACKS)
def test_plain_stack_sees_what_the_convolved_masks_say(sizes, generator):
    assert torch.equal(measured(plain(sizes), generator), predicted(plain_field(sizes)))


@pytest.mark.concept("ar.masked-conv")
@pytest.mark.parametrize("sizes", STACKS)
def test_two_stacks_see_what_the_convolved_masks_say(sizes, generator):
    network = TwoStacks(sizes).double()
    assert torch.equal(measured(network, generator), predicted(two_stack_field(sizes)))


@pytest.mark.concept("ar.pixelrnn")
@pytest.mark.parametrize("sizes", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_row_lstm_sees_a_triangle(sizes, num_layers, generator):
    first, size = sizes
    layers = [MaskedConv2d(1, 4, first, "A")]
    layers += [Added(RowLSTM(4, size)) for _ in range(num_layers)]
    network = nn.Sequential(*layers).double()
    field = row_lstm_field(first, size, num_layers, HEIGHT)
    assert torch.equal(measured(network, generator), predicted(field))


class Added(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return x + self.layer(x)


@pytest.mark.concept("ar.masked-conv")
@pytest.mark.parametrize("depth", [1, 2, 4, 7])
def test_blind_spot_of_a_plain_stack_in_closed_form(depth):
    """Kernels of 3: an offset (-a, b) to the right is seen if b <= a, and to the left always."""
    reach = depth
    seen = offsets(plain_field([3] * depth))
    wanted = set()
    for a in range(reach + 1):
        for b in range(-reach, reach + 1):
            if a == 0 and b >= 0:
                continue
            if b <= a:
                wanted.add((-a, b))
    assert seen == wanted


@pytest.mark.concept("ar.masked-conv")
@pytest.mark.parametrize("depth", [1, 2, 4, 7])
def test_two_stacks_see_the_whole_rectangle(depth):
    seen = offsets(two_stack_field([3] * depth))
    rows = {(-a, b) for a in range(1, depth + 1) for b in range(-depth, depth + 1)}
    assert seen == rows | {(0, -b) for b in range(1, depth + 1)}


@pytest.mark.concept("ar.pixelrnn")
def test_triangle_of_one_row_lstm_in_closed_form():
    """First mask of 3, kernels of 3, five rows: right edge b <= a, left edge -b <= a + 2."""
    seen = offsets(row_lstm_field(3, 3, 1, 5))
    for a in range(6):
        row = {b for down, b in seen if down == -a}
        assert row == set(range(-a - 2, a + 1 if a else 0))


def test_sums_and_unions_of_offsets(generator):
    first = torch.rand(3, 3, generator=generator) < 0.4
    second = torch.rand(5, 5, generator=generator) < 0.3
    sums = {(a + c, b + d) for a, b in offsets(first) for c, d in offsets(second)}
    assert offsets(convolve_fields(first, second)) == sums
    assert offsets(join_fields(first, second)) == offsets(first) | offsets(second)


def test_a_field_is_laid_on_the_image_at_its_pixel():
    field = torch.zeros(5, 5, dtype=torch.bool)
    field[0, 4] = field[2, 1] = True  # offsets (-2, 2) and (0, -1)
    assert seen_from(field, 3, 2, 4, 5).nonzero().tolist() == [[1, 4], [3, 1]]
    assert seen_from(field, 0, 0, 4, 5).sum() == 0
    assert seen_from(field, 1, 4, 4, 5).nonzero().tolist() == [[1, 3]]


def test_dependence_in_one_and_in_two_dimensions():
    matrix = torch.tensor([[1.0, 0.0, -2.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    x = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    assert torch.equal(depends_on(lambda v: matrix @ v, x), matrix != 0)
    image = torch.arange(1.0, 7.0, dtype=torch.float64).reshape(2, 3)
    seen = depends_on(lambda v: v.square().sum(0), image)
    assert torch.equal(seen, torch.eye(3).bool().repeat(1, 2))


def test_dependence_that_the_point_hides_is_missed():
    x = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    assert depends_on(torch.relu, x).tolist() == [[False, False], [False, True]]


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^x: expected dtype float, got dtype torch.int64$"):
        depends_on(lambda v: v, torch.tensor([1]))
    with pytest.raises(ArgumentError, match=r"^num_rows: expected a whole number >= 1, got 0$"):
        row_lstm_field(3, 3, 1, 0)
