"""VQ-VAE, VQ-VAE-2 and the models they make with a prior, against enumeration."""

from itertools import product

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive import GPT, MADE, PixelCNN
from course_utils.models.vq import VQVAE, VQVAE2, CodeModel
from course_utils.tasks import Intractable
from course_utils.training import fit


def randomised(model, seed=1, scale=0.6):
    """Float64, and weights and codes large enough that everything depends on everything."""
    rng = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            if value.is_floating_point() and value.ndim > 0:
                value.copy_(scale * torch.randn(value.shape, generator=rng, dtype=torch.float64))
    return model


def every(levels, length):
    return torch.tensor(list(product(range(levels), repeat=length)))


def small_coder():
    """Pictures of 2 x 2 pixels with 2 levels; a map of 2 x 2 codes of 3 kinds."""
    return randomised(VQVAE(2, 2, 2, 3, 4, 4, num_halvings=0))


def small_model():
    return CodeModel(small_coder(), randomised(MADE(4, (8,), num_levels=3), seed=2))


def two_level_coder():
    """Pictures of 2 x 2 pixels; a top map of 1 code and a bottom map of 2 x 2, all binary."""
    return randomised(VQVAE2(2, 2, 2, 2, 4, 4, num_halvings=0))


@pytest.mark.concept("vae.vqvae2")
def test_a_picture_of_side_256_gets_maps_of_64_and_32():
    coder = VQVAE2(256, 256, 4, 8, 2, 2, num_halvings=2)
    assert (coder.bottom_shape, coder.top_shape) == ((64, 64), (32, 32))
    codes = coder.encode(torch.zeros(1, 256 * 256, dtype=torch.int64))
    top, bottom = coder.split(codes)
    assert top.shape == (1, 32, 32) and bottom.shape == (1, 64, 64)
    assert VQVAE(256, 256, 4, 8, 2, 2, num_halvings=2).map_shape == (64, 64)


@pytest.mark.concept("vae.vqvae2")
@pytest.mark.parametrize("make", [lambda: MADE(5, (7,)), lambda: GPT(2, 5, dim=8, num_heads=2)])
def test_top_times_bottom_given_top_sums_to_one(make):
    """All 2^5 codes of a 1 x 1 map over a 2 x 2 map, and for each top the 2^4 bottoms alone."""
    prior = randomised(make())
    terms = prior.log_prob_terms(every(2, 5)).reshape(2, 16, 5)
    top, bottom = terms[..., :1].sum(-1), terms[..., 1:].sum(-1)
    assert (top + bottom).exp().sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(bottom.exp().sum(1), torch.ones(2).double())
    assert (top[:, 0] == top[:, -1]).all()


@pytest.mark.concept("vae.vqvae2")
def test_the_bottom_codes_know_the_top_codes_and_not_the_other_way_round():
    coder = randomised(VQVAE2(4, 4, 3, 4, 4, 4, num_halvings=1), scale=1.0)
    picture = coder.picture(torch.randint(3, (40, 16), generator=torch.Generator().manual_seed(0)))
    before = coder.quantise(picture).codes
    coder.top_quantiser.codebook.mul_(-3)
    after = coder.quantise(picture).codes
    assert not torch.equal(before[:, 0], after[:, 0])
    assert not torch.equal(before[:, 1:], after[:, 1:])
    coder.bottom_quantiser.codebook.mul_(-3)
    assert torch.equal(coder.quantise(picture).codes[:, 0], after[:, 0])


@pytest.mark.concept("vae.vqvae2")
@pytest.mark.parametrize("make", [small_coder, two_level_coder])
def test_decoding_the_codes_is_what_the_loss_decodes(make):
    coder = make()
    x = every(2, 4)
    codes = coder.encode(x)
    pixels = -coder.log_prob_given(x, codes).mean()
    terms = coder.loss(x)
    torch.testing.assert_close(terms["pixels"], pixels, rtol=1e-10, atol=0)
    torch.testing.assert_close(
        terms["total"], terms["pixels"] + terms["codebook"] + terms["commitment"]
    )
    one_hot = coder.posterior(x)
    assert torch.equal(one_hot.argmax(-1), codes) and torch.equal(
        one_hot.sum(-1), torch.ones(codes.shape)
    )


@pytest.mark.concept("vae.vq")
@pytest.mark.parametrize("family", [VQVAE, VQVAE2])
def test_codes_go_back_to_their_own_places(family, generator):
    """A map of more columns than rows, picture by picture: the loss against decode(encode(x))."""
    coder = randomised(family(4, 8, 3, 5, 4, 4, num_halvings=1), scale=1.0)
    x = torch.randint(3, (6, 32), generator=generator)
    codes = coder.encode(x)
    assert len(codes.unique()) > 2
    one_by_one = torch.stack([-coder.loss(row[None])["pixels"] for row in x])
    torch.testing.assert_close(coder.log_prob_given(x, codes), one_by_one, rtol=1e-10, atol=0)


@pytest.mark.concept("vae.vq")
def test_given_the_codes_the_pixels_are_a_law():
    coder = small_coder()
    for codes in every(3, 4)[::20]:
        total = coder.log_prob_given(every(2, 4), codes.expand(16, 4)).exp().sum()
        assert total.item() == pytest.approx(1, abs=1e-12)


PICTURES = torch.tensor([[0, 0, 0, 0], [3, 0, 0, 3], [0, 3, 3, 0], [3, 3, 3, 3]])


@pytest.mark.concept("vae.vq")
@pytest.mark.parametrize(("decay", "count"), [(0.9, 4), (None, 2)])
def test_a_coder_learns_pictures_and_its_codes_tell_them_apart(decay, count, generator):
    torch.manual_seed(0)
    pictures = PICTURES[:count]
    coder = VQVAE(2, 2, 4, 4, 4, 8, decay=decay, revive_below=0.5, num_blocks=0)
    options = {"learning_rate": 0.02, "generator": generator, "progress": False}
    fit(coder, pictures.repeat(4, 1), num_steps=120, batch_size=16, **options)
    codes = coder.encode(pictures)
    assert len(codes.unique()) == count
    assert torch.equal(coder.decode(codes).argmax(-1), pictures)


@pytest.mark.concept("vae.ar-prior")
def test_prior_over_nine_by_nine_codes_learns_its_table(generator):
    """2 x 2 maps of 3 codes: 81 probabilities that sum to one and match the frequencies."""
    torch.manual_seed(0)
    truth = torch.distributions.Dirichlet(torch.full((81,), 0.3)).sample()
    maps = every(3, 4)
    data = maps[torch.multinomial(truth, 4000, replacement=True, generator=generator)]
    prior = PixelCNN(2, 2, 3, 24, 2)
    options = {"learning_rate": 0.03, "warmup_steps": 20, "generator": generator}
    fit(prior, data, num_steps=200, batch_size=250, progress=False, **options)
    with torch.no_grad():
        probs = prior.log_prob(maps).exp()
    place = (data * torch.tensor([27, 9, 3, 1])).sum(1)
    table = torch.bincount(place, minlength=81) / len(data)
    assert probs.sum().item() == pytest.approx(1, abs=1e-5)
    assert 0.5 * (probs - table).abs().sum() < 0.02


@pytest.mark.concept("vae.ar-prior")
def test_the_bound_misses_minus_log_posterior_of_the_encoders_codes():
    """log p(x) summed over all 81 maps; the gap is KL(q || p(c | x)) exactly."""
    model = small_model()
    x, maps = every(2, 4), every(3, 4)
    joint = torch.stack(
        [
            model.prior.log_prob(maps) + model.coder.log_prob_given(row.expand(81, 4), maps)
            for row in x
        ]
    )
    exact = joint.logsumexp(1)
    assert exact.exp().sum().item() == pytest.approx(1, abs=1e-10)
    bound = model.elbo(x)
    place = (model.coder.encode(x) * torch.tensor([27, 9, 3, 1])).sum(1)
    log_posterior = (joint - exact[:, None]).gather(1, place[:, None])[:, 0]
    assert bool((bound < exact).all())
    torch.testing.assert_close(exact - bound, -log_posterior, rtol=1e-9, atol=1e-12)


@pytest.mark.concept("vae.ar-prior")
def test_samples_follow_the_sum_over_codes(generator):
    model = small_model()
    x, maps = every(2, 4), every(3, 4)
    law = torch.stack(
        [
            (
                model.prior.log_prob(maps) + model.coder.log_prob_given(row.expand(81, 4), maps)
            ).logsumexp(0)
            for row in x
        ]
    ).exp()
    drawn = model.sample(20_000, generator=generator)
    counts = torch.bincount((drawn * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16)
    statistic = ((counts - 20_000 * law).square() / (20_000 * law)).sum().item()
    assert statistic < 37.7  # 99.9 per cent point of chi-square with 15 degrees of freedom


@pytest.mark.concept("vae.ar-prior")
def test_a_condition_fixes_the_first_codes(generator):
    model = small_model()
    given = torch.tensor([[2, 1]])
    drawn = model.sample(20_000, condition=given, generator=generator)
    maps = torch.cat([given.expand(9, 2), every(3, 2)], 1)
    prior = model.prior.log_prob(maps).log_softmax(0)
    dark = model.coder.head.mean(model.coder.decode(maps))
    expected = prior.exp() @ dark
    error = (expected * (1 - expected) / 20_000).sqrt()
    assert bool(((drawn.double().mean(0) - expected).abs() < 4 * error).all())


def test_description_has_two_parts_and_the_loss_is_their_mean():
    model, x = small_model(), every(2, 4)
    length = model.code_length(x)
    torch.testing.assert_close(length.codes, -model.prior.log_prob(model.coder.encode(x)))
    torch.testing.assert_close(-(length.codes + length.pixels), model.elbo(x))
    torch.testing.assert_close(model.loss(x)["total"], -model.elbo(x).mean())


def test_encoding_does_not_train():
    coder = VQVAE(2, 2, 2, 3, 4, 4).train()
    before = coder.quantiser.codebook.clone()
    coder.encode(every(2, 4))
    assert torch.equal(coder.quantiser.codebook, before) and coder.training


def test_what_is_absent_says_why():
    for subject, method in (
        (small_coder(), "sample"),
        (small_coder(), "log_prob"),
        (small_model(), "log_prob"),
    ):
        with pytest.raises(Intractable, match=r"cannot (sample|score): .* See the chapter on"):
            getattr(subject, method)(torch.zeros(1))


def test_arguments_are_checked(as_user):
    with pytest.raises(ArgumentError, match=r"^height: expected a multiple of 4, got 6"):
        VQVAE(6, 8, 4, 8, num_halvings=2)
    with pytest.raises(ArgumentError, match=r"^width: expected a multiple of 4, got 2"):
        VQVAE2(4, 2, 4, 8)
    coder = small_coder()
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(batch, 4\), got shape \(1, 3\)"):
        coder.encode(torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=r"^codes: expected values <= 2, got a value of 3"):
        coder.decode(torch.full((1, 4), 3))
    with pytest.raises(ArgumentError, match=r"^prior: expected a model of 4 codes, got 5"):
        CodeModel(coder, MADE(5, num_levels=3))
    with pytest.raises(ArgumentError, match=r"^prior: expected 3 values a code, got 4"):
        CodeModel(coder, MADE(4, num_levels=4))
