"""p(x | y): normalised for every y, equal to biases, and worth what the world says it is."""

import math

import pytest
import torch
from torch.nn import functional

from course_utils import training
from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.pixelcnn import GatedPixelCNN
from course_utils.samplers.decoding import ancestral
from course_utils.worlds.scenes import QuantisedScenes, Scenes

CLASSES = torch.eye(3, dtype=torch.float64)


@pytest.fixture
def model(randomise):
    return randomise(GatedPixelCNN(2, 3, 2, 4, 3, condition_dim=3))


@pytest.mark.concept("ar.conditional-pixelcnn")
def test_probabilities_of_all_images_sum_to_one_for_every_class(model, all_states):
    laws = torch.stack([model.given(y[None]).log_prob(all_states(2, 6)).exp() for y in CLASSES])
    torch.testing.assert_close(laws.sum(1), torch.ones(3, dtype=torch.float64), atol=1e-12, rtol=0)
    apart = (laws[:, None] - laws).abs().sum(-1) / 2
    assert apart[~torch.eye(3, dtype=torch.bool)].min() > 0.05


@pytest.mark.concept("ar.conditional-pixelcnn")
def test_a_class_is_a_bias_of_its_own_in_every_layer(model, all_states):
    """Fold V_l y into the biases of a model without a condition: p + Vy, and q = H h + A p + Vy."""
    plain = GatedPixelCNN(2, 3, 2, 4, 3).double().eval()
    for number, y in enumerate(CLASSES):
        weights = {k: w for k, w in model.state_dict().items() if k != "shifts.weight"}
        plain.load_state_dict(weights)
        added = model.shifts.weight[:, number].unflatten(0, (3, 8))
        with torch.no_grad():
            for layer, shift in zip(plain.layers, added, strict=True):
                layer.vertical.bias += shift
                layer.horizontal.bias += shift - layer.across.weight[:, :, 0, 0] @ shift
        x = all_states(2, 6)
        wanted = plain.conditionals(x)
        torch.testing.assert_close(model.given(y[None]).conditionals(x), wanted, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.conditional-pixelcnn")
def test_one_layer_is_the_papers_formula(randomise, generator):
    """tanh(W_f * x + V_f y) sigmoid(W_g * x + V_g y), written out for the horizontal stack."""
    model = randomise(GatedPixelCNN(3, 4, 3, 5, 1, condition_dim=2))
    x = torch.randint(3, (6, 12), generator=generator)
    y = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    (layer,) = model.layers
    picture = model.picture(x)
    before = layer.horizontal(picture) + layer.across(layer.vertical(picture))
    signal, gate = before[:, :5], before[:, 5:]
    v_signal, v_gate = model.shifts.weight[:5], model.shifts.weight[5:]
    unit = torch.tanh(signal + (y @ v_signal.T)[..., None, None])
    unit = unit / (1 + torch.exp(-gate - (y @ v_gate.T)[..., None, None]))
    wanted = model.read_out(layer.skip(unit)).flatten(2).mT
    torch.testing.assert_close(model.conditionals(x, y), wanted, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.conditional-pixelcnn")
def test_with_v_at_zero_the_condition_is_ignored(model, all_states):
    with torch.no_grad():
        model.shifts.weight.zero_()
    a, b = (model.given(y[None]).log_prob(all_states(2, 6)) for y in CLASSES[:2])
    assert torch.equal(a, b)


def test_sampling_by_steps_draws_what_whole_passes_draw(randomise, generator):
    model = randomise(GatedPixelCNN(3, 4, 3, 5, 2, condition_dim=2))
    given = model.given(torch.randn(30, 2, generator=generator, dtype=torch.float64))
    quick, slow = (torch.Generator().manual_seed(5) for _ in range(2))
    x = given.sample(30, generator=quick)
    assert torch.equal(x, ancestral(given.conditionals, given.head, 30, 12, generator=slow))


def test_loss_of_pairs_is_the_conditional_negative_log_likelihood(model, generator):
    x = torch.randint(2, (5, 6), generator=generator)
    y = CLASSES[torch.randint(3, (5,), generator=generator)]
    each = [model.given(y[i : i + 1]).log_prob(x[i : i + 1]) for i in range(5)]
    terms = model.loss((x, y))
    torch.testing.assert_close(terms["total"], -torch.cat(each).mean())
    torch.testing.assert_close(terms["nats_per_dim"], -torch.cat(each).mean() / 6)


SIZE = 6


@pytest.fixture(scope="module")
def world():
    return QuantisedScenes(Scenes(size=SIZE), noise=0.12, num_levels=4)


def draw(world, num_images, generator):
    """Images, the one-hot vectors of their places (column, row), and the numbers of both."""
    x, index = world.sample_with_index(num_images, generator=generator)
    places = world.scenes.factors[index][:, 3:]
    return x.flatten(1), functional.one_hot(places, 5).flatten(1).float(), places


@pytest.fixture(scope="module")
def learned(world):
    """A model of p(x | place), and held-out images."""
    rng = torch.Generator().manual_seed(0)
    x, y, _ = draw(world, 6000, rng)
    torch.manual_seed(0)
    model = GatedPixelCNN(SIZE, SIZE, 4, 16, 3, first_kernel_size=5, condition_dim=10)
    settings = {"batch_size": 32, "learning_rate": 0.02, "warmup_steps": 20, "ema_decay": 0.97}
    training.fit(model, (x, y), num_steps=260, generator=rng, progress=False, **settings)
    return model.eval(), draw(world, 1500, rng)


@pytest.mark.concept("ar.conditional-pixelcnn")
def test_the_condition_saves_what_no_model_without_it_can(world, learned):
    """Below H(x), the floor of every model of p(x), and most of the way from there to H(x | y)."""
    model, (x, y, places) = learned
    images = x.unflatten(1, (SIZE, SIZE))
    agree = (world.scenes.factors[:, 3:] == places[:, None]).all(-1)
    of_scenes = world.component_log_prob(images).double()
    exact = of_scenes.where(agree, -torch.inf).logsumexp(1) - math.log(400 / 25)
    floor = world.log_prob(images).double()
    with torch.no_grad():
        knowing = model.given(y).log_prob(x).double()
    error = (knowing - floor).std() / len(x) ** 0.5
    assert (knowing - floor).mean() > 4 * error
    assert (exact - knowing).mean() > 4 * error  # it does not know more than the world
    assert (exact - knowing).mean() < 0.6 * (exact - floor).mean()


@pytest.mark.concept("ar.conditional-pixelcnn")
def test_images_stand_where_they_were_asked_for(world, learned):
    """By the exact posterior of the world, which no classifier beats."""
    model, (_, y, places) = learned
    rng = torch.Generator().manual_seed(1)
    x = model.given(y[:500]).sample(500, generator=rng)
    posterior = world.factor_posterior(x.unflatten(1, (SIZE, SIZE)))
    for factor, asked in zip(("x", "y"), places[:500].T, strict=True):
        right = (posterior[factor].argmax(1) == asked).double().mean().item()
        assert right > 0.65  # 0.2 by chance, 0.93 for images of the world


def test_wrong_arguments_are_named_in_one_line(as_user, model):
    x = torch.zeros(2, 6, dtype=torch.int64)

    def message(call):
        with pytest.raises(ArgumentError) as caught:
            call()
        return str(caught.value)

    assert message(lambda: model.log_prob(x)) == "condition: expected one, see given, got none"
    plain = GatedPixelCNN(2, 3, 2)
    assert (
        message(lambda: plain.conditionals(x, CLASSES[:2])) == "condition: expected none, got one"
    )
    assert message(lambda: plain.given(CLASSES[:2])).startswith("condition_dim of the model: ")
    assert message(lambda: model.given(CLASSES[:2, :2])).startswith("condition: expected")
    assert message(lambda: model.given(CLASSES[:2, None]).log_prob(x)).startswith("condition: ")
    assert message(lambda: GatedPixelCNN(2, 3, 2, condition_dim=-1)).startswith("condition_dim: ")
