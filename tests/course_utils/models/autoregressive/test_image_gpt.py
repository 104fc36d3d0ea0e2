"""Image GPT on images small enough to list: all 512 of them, and sixteen learned by heart."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.image_gpt import ImageGPT
from course_utils.training import fit


@pytest.mark.concept("ar.image-gpt")
def test_probabilities_of_all_512_images_sum_to_one(randomise, all_states):
    model = randomise(ImageGPT(3, 3, 2, 8, 2, 2))
    assert model.log_prob(all_states(2, 9)).exp().sum().item() == pytest.approx(1, abs=1e-10)


@pytest.mark.concept("ar.image-gpt")
def test_sixteen_images_learned_by_heart_get_a_sixteenth_each(all_states, generator):
    torch.manual_seed(0)
    chosen = torch.randperm(512, generator=generator)[:16]
    images = all_states(2, 9)[chosen]
    model = ImageGPT(3, 3, 2, 32, 2, 2)
    fit(
        model,
        images,
        num_steps=300,
        batch_size=16,
        learning_rate=0.01,
        warmup_steps=20,
        generator=generator,
        progress=False,
    )
    with torch.no_grad():
        probs = model.log_prob(images).exp()
        rest = 1 - model.log_prob(all_states(2, 9)).exp()[chosen].sum()
    torch.testing.assert_close(probs, torch.full((16,), 1 / 16), rtol=0.05, atol=0)
    assert rest < 0.05


@pytest.mark.concept("ar.image-gpt")
def test_a_pixel_moves_the_pixels_after_it_in_raster_order_only(randomise, generator):
    model = randomise(ImageGPT(2, 3, 4, 8, 2, 2))
    x = torch.randint(4, (20, 6), generator=generator)
    before = model.conditionals(x)
    for j in range(6):
        changed = x.clone()
        changed[:, j] = (changed[:, j] + 1) % 4
        moved = (model.conditionals(changed) != before).any(-1).any(0)
        assert moved.tolist() == [i > j for i in range(6)]


@pytest.mark.concept("ar.image-gpt")
def test_the_place_is_that_of_the_pixel_predicted(randomise):
    """Without a word of attention or tokens, place (r, c) sees row r plus column c."""
    model = randomise(ImageGPT(2, 3, 4, 8, 2, 1))
    with torch.no_grad():
        model.tokens.weight.zero_()
    stream = model.streams(torch.zeros(1, 6, dtype=torch.int64))[0][0]
    for place in range(6):
        expected = model.places.rows[place // 3, 0] + model.places.columns[0, place % 3]
        torch.testing.assert_close(stream[place], expected)


def test_rows_of_pixels_become_images():
    images = torch.arange(12).reshape(2, 2, 3)
    assert torch.equal(ImageGPT(2, 3, 12, 8, 2, 1).as_images(images.flatten(1)), images)


def test_an_image_has_one_size(as_user):
    model = ImageGPT(2, 2, 3, 8, 2, 1)
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(batch, 4\), got shape \(1, 3\)"):
        model.log_prob(torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=r"^length: expected a whole number >= 4 and <= 4, got"):
        model.sample(1, length=3)
