"""How far a WaveNet sees, and that its queues compute what whole passes compute."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import CategoricalHead, GaussianHead
from course_utils.models.autoregressive.wavenet import WaveNet
from course_utils.samplers.decoding import ancestral
from course_utils.samplers.stepwise import stepwise

HEADS = {"levels": CategoricalHead(5), "real": GaussianHead()}


def signals(head, shape, generator):
    if isinstance(head, GaussianHead):
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    return torch.randint(head.num_levels, shape, generator=generator)


@pytest.mark.concept("ar.wavenet")
@pytest.mark.parametrize(
    ("kernel_size", "dilations", "reach"),
    [(2, (1, 2, 4), 8), (3, (1, 2), 7), (2, (1, 3, 1), 6), (4, (1,), 4)],
)
def test_outputs_depend_on_exactly_the_values_in_the_receptive_field(
    kernel_size, dilations, reach, randomise, generator
):
    """d output_t / d x_s is not zero if and only if 1 <= t - s <= 1 + (k - 1) sum d."""
    model = randomise(
        WaveNet(GaussianHead(), 6, kernel_size=kernel_size, dilations=dilations, length=14)
    )
    assert model.receptive_field == reach
    x = torch.randn(14, generator=generator, dtype=torch.float64) / 10
    slopes = torch.autograd.functional.jacobian(lambda x: model.conditionals(x[None])[0], x)
    distance = torch.arange(14)[:, None] - torch.arange(14)[None, :]
    seen = (distance >= 1) & (distance <= reach)
    assert torch.equal((slopes != 0).any(1), seen)


@pytest.mark.concept("ar.wavenet")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", HEADS)
def test_queues_give_the_parameters_of_the_whole_pass(name, dtype, randomise, generator):
    model = randomise(WaveNet(HEADS[name], 6, kernel_size=3, dilations=(1, 2, 4), skip_channels=4))
    model = model.to(dtype)
    x = signals(model.head, (7, 20), generator)
    cache, last, params = model.start(7), None, []
    for t in range(20):
        row, cache = model.step(cache, last)
        params.append(row)
        last = x[:, t]
    whole = model.conditionals(x)
    near = 1e-10 if dtype == torch.float64 else 1e-5 * float(whole.detach().abs().max())
    torch.testing.assert_close(torch.stack(params, 1), whole, atol=near, rtol=0)


@pytest.mark.concept("ar.wavenet")
@pytest.mark.parametrize("name", HEADS)
def test_cached_sampling_draws_what_whole_passes_draw(name, randomise):
    model = randomise(WaveNet(HEADS[name], 4, dilations=(1, 2)))
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(0.4)  # with larger ones the real signal grows without bound
    quick, slow = (torch.Generator().manual_seed(5) for _ in range(2))
    x = stepwise(model, 30, 12, generator=quick)
    naive = ancestral(model.conditionals, model.head, 30, 12, generator=slow)
    torch.testing.assert_close(x.double(), naive.double(), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("local", [False, True])
def test_with_a_condition_too(local, randomise, generator):
    model = randomise(WaveNet(CategoricalHead(3), 4, dilations=(1, 2), condition_dim=2))
    shape = (6, 9, 2) if local else (6, 2)
    given = model.given(torch.randn(shape, generator=generator, dtype=torch.float64))
    quick, slow = (torch.Generator().manual_seed(5) for _ in range(2))
    x = given.sample(6, length=9, generator=quick)
    naive = ancestral(given.conditionals, given.head, 6, 9, generator=slow)
    assert torch.equal(x, naive)


def test_a_conditional_model_is_normalised_and_depends_on_its_condition(
    randomise, all_states, generator
):
    model = randomise(WaveNet(CategoricalHead(3), 4, dilations=(1, 2), condition_dim=2))
    x = all_states(3, 4)
    laws = [
        model.given(torch.tensor([row], dtype=torch.float64)).log_prob(x).exp()
        for row in ([0.0, 1.0], [1.0, 0.0])
    ]
    for law in laws:
        assert law.sum().item() == pytest.approx(1, abs=1e-12)
    assert (laws[0] - laws[1]).abs().sum() > 0.1


def test_a_constant_local_condition_is_a_global_one(randomise, all_states, generator):
    model = randomise(WaveNet(CategoricalHead(3), 4, dilations=(1, 2), condition_dim=2))
    x = all_states(3, 3)
    row = torch.randn(1, 2, generator=generator, dtype=torch.float64)
    whole = model.given(row).log_prob(x)
    steps = model.given(row[:, None].expand(1, 3, 2)).log_prob(x)
    torch.testing.assert_close(whole, steps, atol=1e-12, rtol=0)


def test_a_local_condition_acts_from_its_own_step_on(randomise, generator):
    """The parameters at t see y_t, the condition of the value they describe, and none later.

    The condition of step s enters block 1 behind its convolution, so block 2 takes it on to s + 2.
    """
    model = randomise(WaveNet(GaussianHead(), 6, dilations=(1, 2), condition_dim=1, length=7))
    x = torch.randn(1, 7, generator=generator, dtype=torch.float64) / 10
    y = torch.randn(7, generator=generator, dtype=torch.float64) / 10
    slopes = torch.autograd.functional.jacobian(
        lambda y: model.conditionals(x, y[None, :, None])[0], y
    )
    distance = torch.arange(7)[:, None] - torch.arange(7)[None, :]
    assert torch.equal((slopes != 0).any(1), (distance == 0) | (distance == 2))


def test_loss_of_pairs_is_the_conditional_negative_log_likelihood(randomise, generator):
    model = randomise(WaveNet(CategoricalHead(3), 4, dilations=(1, 2), condition_dim=2))
    x = torch.randint(3, (5, 6), generator=generator)
    y = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    each = [model.given(y[i : i + 1]).log_prob(x[i : i + 1]) for i in range(5)]
    terms = model.loss((x, y))
    torch.testing.assert_close(terms["total"], -torch.cat(each).mean())
    torch.testing.assert_close(terms["nats_per_dim"], -torch.cat(each).mean() / 6)


def test_real_values_have_a_density_that_integrates_to_one(randomise):
    model = randomise(WaveNet(GaussianHead(), 3, dilations=(1,), length=2))
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(0.3)
    grid = torch.linspace(-20, 20, 321, dtype=torch.float64)
    x = torch.cartesian_prod(grid, grid)
    total = model.log_prob(x).exp().sum().item() * (40 / 320) ** 2
    assert total == pytest.approx(1, abs=1e-6)


def test_wrong_arguments_are_named_in_one_line(as_user):
    plain, conditional = (WaveNet(CategoricalHead(3), 4, condition_dim=dim) for dim in (0, 2))
    x = torch.zeros(2, 3, dtype=torch.int64)

    def message(call):
        with pytest.raises(ArgumentError) as caught:
            call()
        return str(caught.value)

    assert message(lambda: WaveNet(GaussianHead(), kernel_size=1)).startswith("kernel_size: ")
    assert message(lambda: WaveNet(GaussianHead(), dilations=())) == (
        "dilations: expected at least one block, got ()"
    )
    assert (
        message(lambda: conditional.log_prob(x)) == "condition: expected one, see given, got none"
    )
    assert message(lambda: plain.conditionals(x, torch.zeros(2, 2))) == (
        "condition: expected none, got one"
    )
    assert message(lambda: plain.given(torch.zeros(2, 2))) == (
        "condition_dim of the model: expected a whole number >= 1, got 0"
    )
    assert message(lambda: conditional.given(torch.zeros(2, 3))) == (
        "condition: expected shape (..., 2), got shape (2, 3)"
    )
    assert message(lambda: conditional.given(torch.zeros(3, 2)).log_prob(x)) == (
        "condition: expected 1 row or 2, got 3"
    )
    short = conditional.given(torch.zeros(2, 4, 2))
    assert message(lambda: short.log_prob(x)) == "condition: expected 3 steps, got 4"
