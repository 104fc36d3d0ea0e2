"""PixelCNN, gated PixelCNN, PixelRNN: causal by derivative, normalised by enumeration."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.pixelcnn import GatedPixelCNN, PixelCNN
from course_utils.models.autoregressive.pixelrnn import PixelRNN
from course_utils.nets.receptive import (
    depends_on,
    plain_field,
    row_lstm_field,
    seen_from,
    two_stack_field,
)

FAMILIES = {
    "plain": lambda h, w, k, **o: PixelCNN(h, w, k, 6, 3, **o),
    "gated": lambda h, w, k, **o: GatedPixelCNN(h, w, k, 6, 3, **o),
    "row": lambda h, w, k, **o: PixelRNN(h, w, k, "row", 6, 2, **o),
    "diagonal": lambda h, w, k, **o: PixelRNN(h, w, k, "diagonal", 6, 1, **o),
}
ALL = pytest.mark.parametrize("family", list(FAMILIES))


def pixels_seen(model, generator):
    """Which pixels' vectors each pixel's logits depend on, (pixels, pixels)."""
    shape = (model.levels.shape[1], model.height, model.width)
    picture = torch.randn(shape, generator=generator, dtype=torch.float64)
    seen = depends_on(lambda image: model.logits(image[None])[0].sum(0), picture)
    return seen.reshape(model.num_variables, shape[0], model.num_variables).any(1)


def fields(field, height, width):
    places = [(r, c) for r in range(height) for c in range(width)]
    return torch.stack([seen_from(field, r, c, height, width).flatten() for r, c in places])


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.concept("ar.pixelrnn")
@ALL
def test_probabilities_of_all_512_binary_images_sum_to_one(family, randomise, all_states):
    model = randomise(FAMILIES[family](3, 3, 2))
    total = model.log_prob(all_states(2, 9)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-12)  # 512 float64 roundings


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.concept("ar.pixelrnn")
@ALL
def test_probabilities_of_all_images_with_three_levels_sum_to_one(family, randomise, all_states):
    model = randomise(FAMILIES[family](2, 3, 3))
    assert model.log_prob(all_states(3, 6)).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.concept("ar.pixelrnn")
@ALL
@pytest.mark.parametrize("first", [3, 5])
def test_gradient_by_the_pixel_itself_and_later_ones_is_exactly_zero(family, first, generator):
    torch.manual_seed(0)
    model = FAMILIES[family](5, 4, 3, first_kernel_size=first).double()
    assert not pixels_seen(model, generator).triu().any()


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.concept("ar.pixelrnn")
@ALL
def test_changing_a_pixel_moves_no_earlier_logit(family, randomise, generator):
    """The same of whole models, on integers: not a derivative but a difference."""
    model = randomise(FAMILIES[family](3, 4, 4))
    x = torch.randint(4, (20, 12), generator=generator)
    with torch.no_grad():
        before = model.conditionals(x)
        for j in range(12):
            other = x.clone()
            other[:, j] = (x[:, j] + 1) % 4
            moved = (model.conditionals(other) != before).any(-1).any(0)
            assert not moved[: j + 1].any()
            assert j == 11 or moved[j + 1 :].any()


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.parametrize("first", [3, 5])
def test_plain_and_gated_models_see_the_predicted_fields(first, generator):
    torch.manual_seed(0)
    sizes = (first, 3, 3)
    for family, field in (("plain", plain_field(sizes)), ("gated", two_stack_field(sizes))):
        model = FAMILIES[family](5, 6, 3, first_kernel_size=first).double()
        assert torch.equal(pixels_seen(model, generator), fields(field, 5, 6))


@pytest.mark.concept("ar.pixelrnn")
def test_row_model_sees_a_triangle_and_diagonal_model_everything(generator):
    torch.manual_seed(0)
    row = FAMILIES["row"](5, 6, 3).double()
    field = row_lstm_field(3, 3, 2, num_rows=5)
    assert torch.equal(pixels_seen(row, generator), fields(field, 5, 6))
    diagonal = FAMILIES["diagonal"](5, 6, 3).double()
    assert torch.equal(pixels_seen(diagonal, generator), torch.ones(30, 30).tril(-1).bool())


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.concept("ar.pixelrnn")
@ALL
def test_pixels_come_in_raster_order(family, randomise, generator):
    """Row r, column c is variable r W + c, and its vector is the level's plus the place's."""
    model = randomise(FAMILIES[family](2, 3, 3))
    x = torch.arange(6)[None] % 3
    picture = model.picture(x)
    assert picture.shape == (1, 8, 2, 3)
    vector = model.levels[x[0, 3]] + model.rows[:, 1, 0] + model.columns[:, 0, 0]
    torch.testing.assert_close(picture[0, :, 1, 0], vector, atol=1e-14, rtol=0)
    assert not torch.allclose(model.rows[:, 1, 0], model.rows[:, 0, 0])
    logits = model.logits(picture)
    assert torch.equal(model.conditionals(x)[0, 4], logits[0, :, 1, 1])


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.concept("ar.pixelrnn")
@ALL
def test_samples_follow_the_enumerated_probabilities(
    family, randomise, all_states, chi_square_p, generator
):
    model = randomise(FAMILIES[family](2, 3, 2))
    samples = model.sample(4_000, generator=generator)
    probs = model.log_prob(all_states(2, 6)).detach().exp()
    assert chi_square_p(samples, probs, 2) > 1e-3  # one seed, four models


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.concept("ar.pixelrnn")
@ALL
def test_an_image_is_completed_from_its_upper_half(family, randomise, all_states, generator):
    model = randomise(FAMILIES[family](2, 2, 2))
    given = torch.tensor([[1, 0]])
    samples = model.sample(4_000, condition=given, generator=generator)
    assert (samples[:, :2] == given).all()
    states = all_states(2, 4)
    joint = model.log_prob(states).detach().exp() * (states[:, :2] == given).all(1)
    probs = joint / joint.sum()
    for state, prob in zip(states, probs.tolist(), strict=True):
        share = (samples == state).all(1).double().mean().item()
        assert abs(share - prob) <= 4 * (prob * (1 - prob) / 4_000) ** 0.5


@ALL
def test_dropout_acts_in_training_only(family, generator):
    model = FAMILIES[family](3, 3, 3, dropout=0.5)
    x = torch.randint(3, (4, 9), generator=generator)
    model.train()
    assert not torch.equal(model.conditionals(x), model.conditionals(x))
    model.eval()
    assert torch.equal(model.conditionals(x), model.conditionals(x))


@pytest.mark.concept("ar.pixelcnn")
@pytest.mark.concept("ar.gated-activation")
def test_skip_connections_of_all_layers_are_added_up(generator):
    """With skip weights at zero, what reaches the head is the sum of the skip biases."""
    model = GatedPixelCNN(3, 4, 2, 5, 3).double()
    biases = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        for layer, bias in zip(model.layers, biases, strict=True):
            layer.skip.weight.zero_()
            layer.skip.bias.copy_(bias)
    x = torch.randint(2, (2, 12), generator=generator)
    wanted = model.read_out(biases.sum(0)[None, :, None, None]).expand(2, -1, 3, 4)
    torch.testing.assert_close(model.logits(model.picture(x)), wanted, atol=1e-12, rtol=0)


@ALL
def test_level_vectors_start_as_a_thermometer_and_a_constant(family):
    model = FAMILIES[family](2, 2, 4, level_dim=5)
    wanted = [[0, 0, 0, 0, 1], [1, 0, 0, 1 / 3, 1], [1, 1, 0, 2 / 3, 1], [1, 1, 1, 1, 1]]
    torch.testing.assert_close(model.levels.detach(), torch.tensor(wanted))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^height: expected a whole number >= 1, got 0$"):
        PixelCNN(0, 3, 2)
    with pytest.raises(ArgumentError, match=r"^level_dim: expected a whole number >= 3, got 2$"):
        GatedPixelCNN(3, 3, 2, level_dim=2)
    with pytest.raises(ArgumentError, match=r"^num_layers: expected a whole number >= 1, got 0$"):
        PixelCNN(3, 3, 2, num_layers=0)
    with pytest.raises(ArgumentError, match=r"^recurrence: expected one of 'row', 'diagonal', got"):
        PixelRNN(3, 3, 2, "column")
    with pytest.raises(ArgumentError, match=r"^kernel_size: expected an odd number, got 4$"):
        PixelRNN(3, 3, 2, kernel_size=4)
    with pytest.raises(ArgumentError, match=r"^dropout: expected a number >= 0 and < 1, got 1.0$"):
        GatedPixelCNN(3, 3, 2, dropout=1.0)
