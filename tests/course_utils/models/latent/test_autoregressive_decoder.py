"""The VAE with an autoregressive decoder against enumeration and autograd."""

import itertools
import math

import torch

from course_utils.models.latent import AutoregressiveVAE


def a_model(num_levels=2, event=(2, 2), latent=2) -> AutoregressiveVAE:
    torch.manual_seed(0)
    model = AutoregressiveVAE(event, latent, num_levels, 9).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model


def test_probabilities_given_a_code_sum_to_one(generator):
    for num_levels in (2, 3):
        model = a_model(num_levels)
        x = torch.tensor(list(itertools.product(range(num_levels), repeat=4))).reshape(-1, 2, 2)
        z = torch.randn(3, 1, 2, generator=generator, dtype=torch.float64).expand(3, len(x), 2)
        total = model.log_likelihood(x, z).logsumexp(1)
        torch.testing.assert_close(total, torch.zeros(3).double(), rtol=0, atol=1e-12)


def test_a_conditional_depends_on_the_past_and_on_the_code_only(generator):
    model = a_model(3, (5,))
    z = torch.randn(1, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    x = torch.randint(3, (1, 5), generator=generator)
    params = model.conditionals(x, z)
    for changed in range(5):
        other = x.clone()
        other[0, changed] = (x[0, changed] + 1) % 3
        moved = (model.conditionals(other, z) - params).abs().amax((0, 2)) > 0
        assert moved.tolist() == [i > changed for i in range(5)]
    for i in range(5):
        slope = torch.autograd.grad(params[0, i, 0], z, retain_graph=True)[0]
        assert bool((slope.abs() > 0).all())


def test_samples_given_a_code_follow_its_law(generator):
    model = a_model()
    z = torch.randn(1, 2, generator=generator, dtype=torch.float64)
    events = torch.tensor(list(itertools.product(range(2), repeat=4))).reshape(-1, 2, 2)
    x = model.sample(8000, condition=z.expand(8000, 2), generator=generator)
    counts = (x[:, None] == events).flatten(2).all(2).sum(0)
    probs = model.log_likelihood(events, z.expand(1, 16, 2))[0].exp().detach()
    error = (8000 * probs * (1 - probs)).sqrt()
    assert bool(((counts - 8000 * probs).abs() < 4 * error).all())
    assert math.isclose(float(probs.sum()), 1)
