"""PixelCNN++ after all its shifts and strides: no leak, nothing near missed, sums of one."""

from itertools import product

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive import PixelCNNPP

VARIANTS = {
    "complete": {},
    "deep": {"num_blocks": 2},
    "categorical": {"num_components": None},
    "one resolution": {"downsample": False},
    "no short-cuts": {"shortcuts": False},
    "positions": {"positions": True},
}


def _jacobian(model, height, width):
    """Largest |d feature at i / d pixel j| over the features, (pixels, pixels)."""
    model = model.double().eval()
    rng = torch.Generator().manual_seed(5)
    image = torch.randn(1, model.num_channels, height, width, generator=rng, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(model.features, image)[0]
    return jacobian.abs().amax((0, 3, 4)).reshape(height * width, height * width)


@pytest.mark.concept("ar.pixelcnnpp")
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("height", "width"), [(4, 5), (5, 3)])
def test_derivative_by_the_own_and_by_later_pixels_is_exactly_zero(name, height, width):
    model = PixelCNNPP(height, width, 4, features=3, **VARIANTS[name])
    reached = _jacobian(model, height, width)
    assert (reached.triu(0) == 0).all()


@pytest.mark.concept("ar.pixelcnnpp")
@pytest.mark.parametrize("name", ["complete", "categorical", "one resolution", "positions"])
def test_no_earlier_pixel_within_two_steps_is_missed(name):
    """A blind spot would be an earlier pixel near by with derivative zero."""
    reached = _jacobian(PixelCNNPP(4, 5, 4, features=3, **VARIANTS[name]), 4, 5)
    for (r, c), (q, d) in product(product(range(4), range(5)), repeat=2):
        near = abs(r - q) <= 2 and abs(c - d) <= 2 and (q, d) < (r, c)
        if near:
            assert reached[5 * r + c, 5 * q + d] > 0, ((r, c), (q, d))


@pytest.mark.concept("ar.pixelcnnpp")
def test_without_short_cuts_half_resolution_hides_the_pixel_to_the_left():
    """Pixel (0, 1) reads the cell of (0, 0), and a cell does not know the pixel it stands for."""
    with_them = _jacobian(PixelCNNPP(2, 2, 4, features=3), 2, 2)
    without = _jacobian(PixelCNNPP(2, 2, 4, features=3, shortcuts=False), 2, 2)
    assert with_them[1, 0] > 0
    assert without[1, 0] == 0


@pytest.mark.concept("ar.pixelcnnpp")
def test_half_resolution_reaches_further_with_the_same_number_of_layers():
    half = _jacobian(PixelCNNPP(5, 24, 4, features=2), 5, 24)[-1] > 0
    full = _jacobian(PixelCNNPP(5, 24, 4, features=2, downsample=False), 5, 24)[-1] > 0
    row = slice(4 * 24, 5 * 24)
    assert half[row].sum() >= full[row].sum() + 4
    assert (half | ~full).all()


@pytest.mark.concept("ar.pixelcnnpp")
@pytest.mark.parametrize("name", VARIANTS)
def test_all_images_of_2_by_2_pixels_with_4_levels_sum_to_one(name, randomise, all_states):
    model = randomise(PixelCNNPP(2, 2, 4, features=4, **VARIANTS[name]))
    with torch.no_grad():
        total = model.log_prob(all_states(4, 4)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-10)  # 256 float64 roundings


@pytest.mark.concept("ar.pixelcnnpp")
def test_all_colour_images_of_1_by_2_pixels_with_3_levels_sum_to_one(randomise, all_states):
    model = randomise(PixelCNNPP(1, 2, 3, num_channels=3, features=4, num_components=3))
    with torch.no_grad():
        total = model.log_prob(all_states(3, 6)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-10)  # 729 float64 roundings


@pytest.mark.concept("ar.pixelcnnpp")
def test_sub_pixels_depend_on_those_before_them_and_on_whole_pixels_before_theirs(
    randomise, generator
):
    model = randomise(PixelCNNPP(2, 2, 5, num_channels=3, features=4))
    x = torch.randint(5, (30, 12), generator=generator)
    before = model.conditionals(x)
    for j in range(12):
        other = x.clone()
        other[:, j] = (x[:, j] + 1) % 5
        moved = (model.conditionals(other) != before).any(-1).any(0)
        assert moved.tolist() == [i > j for i in range(12)]


def test_an_image_of_one_pixel_has_a_distribution_that_does_not_depend_on_it(randomise):
    model = randomise(PixelCNNPP(1, 1, 6, features=4))
    params = model.conditionals(torch.arange(6)[:, None])
    assert (params == params[0]).all()


@pytest.mark.parametrize("setting", ["downsample", "shortcuts"])
def test_a_part_that_is_off_is_absent(setting):
    complete = PixelCNNPP(4, 4, 4, features=4)
    without = PixelCNNPP(4, 4, 4, features=4, **{setting: False})
    count = [sum(p.numel() for p in m.parameters()) for m in (complete, without)]
    f = 4
    # Halving: kernels of 6 and 4 weights, twice. Short-cuts: 1 x 1 maps of 2F features, 2 blocks;
    # the upper stream's maps are absent altogether, with their biases.
    parts = {"downsample": 20 * f * f + 4 * f, "shortcuts": 2 * (2 * 2 * f * f + f)}
    assert count[0] - count[1] == parts[setting]


def test_short_cuts_join_each_block_with_its_mirror_image(randomise):
    """With the inner half's output cut off, the first outer block reaches the last one only."""
    model = randomise(PixelCNNPP(4, 4, 3, features=4, num_blocks=2))
    seen = {}
    for name in ("outer_first", "outer_last", "inner_first", "inner_last"):
        for k, block in enumerate(getattr(model, name)):
            block.register_forward_hook(
                lambda _, inputs, output, key=(name, k): seen.update({key: (inputs, output)})
            )
    model.conditionals(torch.zeros(1, 16, dtype=torch.int64))
    for half in ("outer", "inner"):
        for k in range(2):
            earlier = seen[f"{half}_last", k][0][1]
            assert earlier is seen[f"{half}_first", 1 - k][1]


def test_levels_are_read_at_their_places_beside_a_channel_of_ones():
    """Ones inside and zeros beyond the edge are how a convolution notices the edge."""
    model = PixelCNNPP(1, 3, 5, features=2)
    seen = []
    model.stem.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    model.conditionals(torch.tensor([[0, 2, 4]]))
    assert seen[0].tolist() == [[[[-1.0, 0.0, 1.0]], [[1.0, 1.0, 1.0]]]]


def test_colours_are_channels_of_the_image_and_neighbours_in_the_sequence():
    model = PixelCNNPP(2, 2, 3, num_channels=3, features=2)
    seen = []
    model.stem.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    red, green, blue = [0, 1, 2, 0], [1, 1, 0, 2], [2, 0, 0, 1]
    model.conditionals(torch.tensor([[red, green, blue]]).movedim(1, -1).reshape(1, 12))
    wanted = torch.tensor([red, green, blue]).reshape(3, 2, 2) - 1.0
    assert torch.equal(seen[0][0, :3], wanted)


def test_dropout_is_on_in_training_only(generator):
    model = PixelCNNPP(3, 3, 4, features=4, dropout=0.5)
    x = torch.randint(4, (5, 9), generator=generator)
    torch.manual_seed(0)
    assert not torch.equal(model.train().conditionals(x), model.conditionals(x))
    assert torch.equal(model.eval().conditionals(x), model.conditionals(x))


def test_positions_tell_places_apart_that_look_alike(randomise):
    """Further from every edge than ten steps a plain network cannot know where it is."""
    x = torch.ones(1, 14 * 26, dtype=torch.int64)
    settings = {"features": 2, "downsample": False}
    for positions in (False, True):
        model = randomise(PixelCNNPP(14, 26, 3, positions=positions, **settings))
        with torch.no_grad():
            for weights in model.parameters():
                weights.mul_(0.3)
        params = model.conditionals(x).reshape(14, 26, -1)
        same = torch.allclose(params[12, 12], params[13, 13], rtol=1e-10, atol=0)
        assert same != positions


def test_a_model_learns_that_the_rows_of_an_image_repeat(generator):
    """Independent pixels would pay 9 log 2 = 6.24 nats at best; rows that repeat cost 3 log 2."""
    first = torch.randint(2, (24, 1, 3), generator=generator)
    x = (3 * first.expand(-1, 3, -1)).flatten(1)
    torch.manual_seed(0)
    model = PixelCNNPP(3, 3, 4, features=10, num_components=2)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(70):
        optimiser.zero_grad()
        model.loss(x)["total"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    assert model.loss(x)["total"].item() < 5.7


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError) as caught:
        PixelCNNPP(2, 2, 4, num_channels=3, num_components=None)
    assert str(caught.value) == "num_channels: expected 1 for a categorical head, got 3"
    with pytest.raises(ArgumentError) as caught:
        PixelCNNPP(2, 2, 4, features=4).sample(1, temperature=0.5)
    assert str(caught.value) == "temperature: expected 1 for a mixture of logistics, got 0.5"
    with pytest.raises(ArgumentError, match=r"^num_blocks: expected a whole number >= 1, got 0$"):
        PixelCNNPP(2, 2, 4, num_blocks=0)
    with pytest.raises(ArgumentError, match=r"^x: expected values <= 3, got a value of 4$"):
        PixelCNNPP(1, 2, 4, features=4).log_prob(torch.tensor([[0, 4]]))


def test_a_categorical_head_has_a_temperature(randomise, generator):
    model = randomise(PixelCNNPP(1, 2, 4, features=4, num_components=None))
    sharp = model.sample(200, temperature=1e-6, generator=generator)
    assert len(sharp.unique(dim=0)) == 1
