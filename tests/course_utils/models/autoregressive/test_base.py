"""The chain rule makes a distribution of any conditionals: enumerated, sampled, and perturbed."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive import FVSBN, MADE, NADE, ARProcess, NGram
from course_utils.tasks import Intractable


@pytest.mark.concept("ar.base-class")
def test_probabilities_of_all_states_sum_to_one(tiny, all_states):
    model, levels, length = tiny
    total = model.log_prob(all_states(levels, length)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-12)  # rounding of at most 3^5 float64 terms


@pytest.mark.concept("ar.base-class")
@pytest.mark.concept("ar.ancestral-sampling")
def test_samples_follow_the_enumerated_probabilities(tiny, all_states, chi_square_p, generator):
    model, levels, length = tiny
    samples = model.sample(100_000, generator=generator)
    probs = model.log_prob(all_states(levels, length)).detach().exp()
    assert samples.dtype == torch.int64
    assert chi_square_p(samples, probs, levels) > 1e-3  # one seed, twelve models


@pytest.mark.concept("ar.ancestral-sampling")
def test_teacher_forced_terms_equal_those_met_step_by_step(tiny, generator):
    """Step by step, what is not yet known holds rubbish; all at once, it holds the later values."""
    model, levels, length = tiny
    x = torch.randint(levels, (20, length), generator=generator)
    together = model.log_prob_terms(x)
    known = torch.randint(levels, x.shape, generator=generator)
    for variable in model.order.tolist():
        step = model.head.log_prob(model.conditionals(known)[:, variable], x[:, variable])
        torch.testing.assert_close(step, together[:, variable], atol=1e-12, rtol=0)
        known[:, variable] = x[:, variable]


@pytest.mark.concept("ar.ordering")
@pytest.mark.parametrize("family", ["fvsbn", "nade", "made"])
def test_conditionals_depend_on_earlier_variables_of_the_order_and_on_all_of_them(
    family, randomise, all_states
):
    """Flip one variable: exactly the conditionals of the variables after it in the order move."""
    order = torch.tensor([2, 4, 0, 3, 1])
    made = {
        "fvsbn": lambda: FVSBN(5, order),
        "nade": lambda: NADE(5, 8, order=order),
        "made": lambda: MADE(5, (32,), order=order),
    }
    model = randomise(made[family]())
    x = all_states(2, 5)
    for step, variable in enumerate(order.tolist()):
        flipped = x.clone()
        flipped[:, variable] = 1 - flipped[:, variable]
        moved = (model.conditionals(x) != model.conditionals(flipped)).any(0)[:, 0]
        assert set(moved.nonzero()[:, 0].tolist()) == set(order[step + 1 :].tolist())


@pytest.mark.concept("ar.ordering")
@pytest.mark.parametrize("family", [FVSBN, lambda d, order: NADE(d, 4, order=order)])
def test_permuting_order_and_data_together_changes_nothing(family, randomise, all_states):
    """A model in order o on x is the model in order 0, 1, ... on the reordered columns x[:, o]."""
    order = torch.tensor([3, 1, 0, 2])
    shuffled, plain = randomise(family(4, order)), randomise(family(4, torch.arange(4)))
    with torch.no_grad():
        if isinstance(plain, NADE):
            plain.input_weights.copy_(shuffled.input_weights[order])
            plain.output_weights.copy_(shuffled.output_weights[order])
            plain.output_bias.copy_(shuffled.output_bias[order])
        else:
            matrix = shuffled.weight_matrix()[order][:, order]
            plain.weights.copy_(matrix[plain.rows, plain.columns])
            plain.bias.copy_(shuffled.bias[order])
    x = all_states(2, 4)
    torch.testing.assert_close(shuffled.log_prob(x), plain.log_prob(x[:, order]))


def test_condition_is_kept_and_the_rest_follows_the_conditional(
    randomise, all_states, chi_square_p, generator
):
    order = torch.tensor([2, 0, 3, 1])
    model = randomise(MADE(4, (16,), order=order))
    given = torch.tensor([[1, 0]])
    samples = model.sample(50_000, condition=given, generator=generator)
    assert (samples[:, [2, 0]] == given).all()
    x = all_states(2, 4)
    joint = model.log_prob(x).detach().exp() * (x[:, [2, 0]] == given).all(1)
    assert chi_square_p(samples, joint / joint.sum(), 2) > 1e-3


def test_loss_is_the_mean_negative_log_probability(tiny, all_states):
    model, levels, length = tiny
    x = all_states(levels, length)
    terms = model.loss(x)
    assert terms["total"].item() == pytest.approx(-model.log_prob(x).mean().item(), rel=1e-12)
    assert terms["nats_per_dim"].item() == pytest.approx(terms["total"].item() / length, rel=1e-12)


def test_models_that_treat_positions_alike_sum_to_one_at_every_length(all_states, generator):
    model = NGram(2, 2).fit_counts(torch.randint(2, (5, 8), generator=generator))
    for length in (1, 2, 6):
        assert model.log_prob(all_states(2, length)).exp().sum().item() == pytest.approx(1)
    assert model.sample(7, length=11, generator=generator).shape == (7, 11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_the_weights_is_the_dtype_of_the_answer(tiny, dtype, all_states):
    model, levels, length = tiny
    x = all_states(levels, length)
    log_prob = model.to(dtype).log_prob(x)
    assert log_prob.dtype == dtype
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_the_four_tasks_there_is_nothing_to_infer(tiny):
    with pytest.raises(Intractable, match=r"cannot infer: .* nothing is hidden\."):
        tiny[0].posterior(torch.zeros(1, 5))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^order: expected a permutation of 0 \.\. 2, got"):
        FVSBN(3, torch.tensor([0, 2, 2]))
    with pytest.raises(ArgumentError, match=r"^order: expected shape \(3\), got shape \(2,\)"):
        FVSBN(3, torch.tensor([0, 1]))
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(batch, 3\), got shape"):
        FVSBN(3).log_prob(torch.zeros(2, 4, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=r"^x: expected at least one element"):
        FVSBN(3).log_prob(torch.zeros(0, 3, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=r"^x: expected values <= 1, got a value of 2"):
        FVSBN(3).log_prob(torch.tensor([[0, 1, 2]]))
    with pytest.raises(ArgumentError, match=r"^length: expected a whole number >= 3 and <= 3"):
        FVSBN(3).sample(1, length=2)
    with pytest.raises(ArgumentError, match=r"^num_samples: expected a whole number >= 1, got 0"):
        FVSBN(3).sample(0)


def test_a_model_samples_at_the_temperature_it_is_asked_for(generator):
    model = NGram(3, 0, length=1).fit_counts(torch.tensor([[0, 0, 0, 0, 1, 1, 2]]))
    drawn = model.sample(40_000, temperature=0.5, generator=generator)
    share = torch.bincount(drawn.flatten(), minlength=3) / 40_000
    truth = torch.tensor([16.0, 4.0, 1.0]) / 21
    assert bool(((share - truth).abs() < 4 * (truth * (1 - truth) / 40_000).sqrt()).all())


def test_real_variables_have_no_temperature(as_user):
    with pytest.raises(ArgumentError) as caught:
        ARProcess(torch.tensor([0.5])).sample(2, temperature=0.5)
    assert str(caught.value) == "temperature: expected 1 for real variables, got 0.5"
