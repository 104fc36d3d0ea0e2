"""Hierarchies with networks against quadrature over both levels and against linear models."""

import itertools
import math

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.distributions import BernoulliHead, CategoricalHead, GaussianHead
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent import (
    HierarchicalVAE,
    LadderVAE,
    LevelChain,
    LinearHierarchy,
    precision_weighted,
)
from course_utils.tasks import Intractable

CLASSES = [HierarchicalVAE, LadderVAE]
GRID = torch.linspace(-12, 12, 241, dtype=torch.float64)
EVENTS = torch.tensor(list(itertools.product((0, 1), repeat=3)))


def a_model(cls, dims=(1, 1), **options):
    """A small hierarchy with weights that matter: every level depends on the one above."""
    torch.manual_seed(0)
    model = cls.of_perceptrons((3,), dims, BernoulliHead(), 4, **options).double()
    for name, parameter in model.named_parameters():
        nn.init.normal_(parameter, std=0.5 if name.startswith("decoders") else 0.2)
    with torch.no_grad():
        model.decoders[1][-1].bias[dims[0] :] = -0.3
        for name, part in model.named_modules():  # q must cover the posterior
            if isinstance(part, nn.Linear) and not name.startswith("decoders"):
                part.bias[len(part.bias) // 2 :] += 0.4
    return model


def grid_points(batch: int) -> torch.Tensor:
    pairs = torch.cartesian_prod(GRID, GRID)
    return pairs[:, None].expand(-1, batch, 2)


def integral(values: torch.Tensor) -> torch.Tensor:
    square = values.unflatten(0, (len(GRID), len(GRID)))
    return torch.trapezoid(torch.trapezoid(square, GRID, dim=1), GRID, dim=0)


def log_prob(model, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return integral(model.log_joint(x, grid_points(len(x))).exp()).log()


@pytest.mark.concept("vae.hierarchical")
@pytest.mark.parametrize("cls", CLASSES)
def test_joint_sums_and_integrates_to_one_and_so_does_the_encoder(cls):
    model = a_model(cls)
    assert abs(float(log_prob(model, EVENTS).logsumexp(0))) < 1e-6
    with torch.no_grad():
        total = integral(model.posterior(EVENTS).log_prob(grid_points(8)).exp())
    assert float((total - 1).abs().max()) < 1e-7


@pytest.mark.concept("vae.hierarchical")
@pytest.mark.concept("vae.ladder")
@pytest.mark.parametrize("cls", CLASSES)
def test_gap_of_the_bound_is_the_divergence_by_quadrature(cls, generator):
    model = a_model(cls)
    truth, z = log_prob(model, EVENTS), grid_points(8)
    with torch.no_grad():
        log_q = model.posterior(EVENTS).log_prob(z)
        log_p = model.log_joint(EVENTS, z) - truth
        divergence = integral(log_q.exp() * (log_q - log_p))
        bounds = model.elbo(EVENTS.repeat(20_000, 1), generator=generator).reshape(-1, 8)
    error = bounds.std(0) / math.sqrt(len(bounds))
    assert bool(((truth - bounds.mean(0) - divergence).abs() < 4 * error).all())


@pytest.mark.concept("vae.hierarchical")
@pytest.mark.parametrize("cls", CLASSES)
def test_rate_of_every_level_by_quadrature(cls, generator):
    model = a_model(cls)
    z = grid_points(8)
    with torch.no_grad():
        q, p = model.posterior(EVENTS), model.prior
        weight = q.log_prob(z).exp()
        laws = zip(q.laws(z), p.laws(z), z.split((1, 1), -1), strict=True)
        wanted = [integral(weight * (a.log_prob(v) - b.log_prob(v))) for a, b, v in laws]
        found = model.level_rates(EVENTS, 40_000, generator)
    torch.testing.assert_close(found, torch.stack(wanted, -1), rtol=0, atol=0.03)


@pytest.mark.concept("vae.ladder")
def test_a_rate_from_the_top_down_is_a_divergence_at_every_draw(generator):
    with torch.no_grad():
        rates = a_model(LadderVAE).level_rates(EVENTS.repeat(500, 1), 1, generator)
    assert float(rates.min()) >= 0


@pytest.mark.parametrize("cls", CLASSES)
def test_weights_average_to_the_probability(cls, generator):
    model = a_model(cls)
    with torch.no_grad():
        weights = model.log_weights(EVENTS, 50_000, generator).exp()
    error = weights.std(0) / math.sqrt(len(weights))
    assert bool(((weights.mean(0) - log_prob(model, EVENTS).exp()).abs() < 4 * error).all())


@pytest.mark.concept("vae.hierarchical")
def test_samples_follow_the_integrated_law(generator):
    model = a_model(HierarchicalVAE)
    x = model.sample(20_000, generator=generator)
    counts = (x[:, None] == EVENTS).all(2).sum(0)
    probs = log_prob(model, EVENTS).exp()
    error = (20_000 * probs * (1 - probs)).sqrt()
    assert bool(((counts - 20_000 * probs).abs() < 4 * error).all())


def test_given_top_levels_stay_and_the_rest_follows(generator):
    model = a_model(HierarchicalVAE, (2, 1))
    top = torch.full((20_000, 1), 1.5, dtype=torch.float64)
    with torch.no_grad():
        z = model.prior.sample(20_000, generator, first=(top,))
        law = model.prior_given(0, top[:1])
    assert bool((z[:, 2] == 1.5).all())
    error = law.log_std.exp() / math.sqrt(20_000)
    assert bool(((z[:, :2].mean(0) - law.mean).abs() < 4 * error).all())
    both = model.prior.sample(20_000, generator, first=(top, z[:, :2]))
    assert torch.equal(both, z)


@pytest.mark.concept("vae.ladder")
def test_merge_is_the_normalised_product_by_quadrature():
    grid = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    for means, stds in (((0.3, -1.2), (0.7, 1.9)), ((2.0, 2.5), (3.0, 0.2)), ((-4.0, 4.0), (1, 1))):
        first, second = (
            DiagonalGaussian(torch.tensor([m]).double(), torch.tensor([float(s)]).double().log())
            for m, s in zip(means, stds, strict=True)
        )
        product = (first.log_prob(grid[:, None]) + second.log_prob(grid[:, None])).exp()
        density = product / torch.trapezoid(product, grid)
        found = precision_weighted(first, second)
        off = (found.log_prob(grid[:, None]).exp() - density).abs().max()
        assert float(off) < 1e-8


@pytest.mark.concept("vae.ladder")
def test_merge_of_extreme_precisions_is_finite_and_symmetric():
    sharp = DiagonalGaussian(torch.tensor([3.0]), torch.tensor([-60.0]))
    flat = DiagonalGaussian(torch.tensor([-7.0]), torch.tensor([60.0]))
    for law in (precision_weighted(sharp, flat), precision_weighted(flat, sharp)):
        assert float(law.mean) == 3.0
        assert float(law.log_std) == -60.0


class Constant(nn.Module):
    """An affine map of the input as mean and a given log standard deviation."""

    def __init__(self, weight, log_std, bias=None):
        super().__init__()
        self.weight, self.log_std = nn.Parameter(weight), nn.Parameter(torch.as_tensor(log_std))
        self.bias = nn.Parameter(torch.zeros(len(weight)).double() if bias is None else bias)

    def forward(self, y):
        mean = y @ self.weight.mT + self.bias
        return torch.cat([mean, self.log_std.expand_as(mean)], -1)


class Pixels(Constant):
    """The same as pairs for a Gaussian head."""

    def forward(self, y):
        return torch.stack(super().forward(y).chunk(2, -1), -1)


@pytest.mark.concept("vae.ladder")
def test_ladder_is_bayes_rule_on_a_tree(generator):
    """Given the root, the merge of leaf message and prior is the exact posterior of each node."""
    tree = LinearHierarchy.tree((3, 4), (0.8, 0.5))
    x = tree.sample(7, generator=generator)
    low, top = tree.weights
    message = Constant(low.mT / 3, math.log(0.8 / math.sqrt(3)))
    exact = tree.posterior(x)
    variance = float(exact.covariance[4, 4])
    unit = tree.posterior(torch.eye(12, dtype=torch.float64)).mean[:, 4:].mT
    root = Constant(unit, 0.5 * math.log(variance))
    decoders = [Pixels(low, math.log(0.8)), Constant(top, math.log(0.5))]
    paths = [nn.Identity(), nn.Identity()]
    ladder = LadderVAE(paths, [message, root], decoders, GaussianHead(), (4, 1), (12,))
    z = exact.sample(5, generator)
    with torch.no_grad():
        torch.testing.assert_close(ladder.posterior(x).log_prob(z), exact.log_prob(z))
        weights = ladder.log_weights(x, 5, generator)
        torch.testing.assert_close(weights, tree.log_prob(x).expand(5, -1))


@pytest.mark.parametrize("cls", CLASSES)
def test_loss_charges_what_it_says(cls):
    model = a_model(cls, (2, 1), free_nats=0.5, warmup_steps=4).eval()
    torch.manual_seed(5)
    loss = model.loss(EVENTS)
    assert int(model.steps) == 0
    rates = torch.stack([loss["rate_1"], loss["rate_2"]])
    torch.testing.assert_close(loss["total"], loss["distortion"] + rates.clamp_min(0.5).sum())
    torch.testing.assert_close(loss["rate"], rates.sum())
    torch.manual_seed(5)
    torch.testing.assert_close(-model.elbo(EVENTS).mean(), loss["distortion"] + loss["rate"])
    model.train()
    for weight in (0, 0.25, 0.5, 0.75, 1, 1):
        torch.manual_seed(5)
        warm = model.loss(EVENTS)["total"]
        expected = loss["distortion"] + weight * rates.clamp_min(0.5).sum()
        torch.testing.assert_close(warm, expected)


@pytest.mark.concept("vae.hierarchical")
def test_an_unused_top_level_is_a_stationary_point():
    """With q(z_2 | z_1) = p(z_2) and p(z_1 | z_2) = p(z_1) no gradient couples the levels."""
    model = a_model(HierarchicalVAE, (2, 1))
    with torch.no_grad():
        for network in (model.encoders[1], model.decoders[1]):
            network[-1].weight.zero_()
            network[-1].bias.zero_()
    torch.manual_seed(0)
    model.num_samples = 20_000
    model.loss(EVENTS)["total"].backward()
    for network in (model.encoders[1], model.decoders[1]):
        assert float(network[0].weight.grad.abs().max()) == 0
    assert float(model.encoders[1][-1].weight.grad.abs().max()) < 1e-12
    assert float(model.level_rates(EVENTS)[:, 1].detach().abs().max()) == 0


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("head", [BernoulliHead(), CategoricalHead(17), GaussianHead()])
def test_shapes_of_every_head(cls, head, generator):
    model = cls.of_perceptrons((3, 2), (4, 3, 2), head, 8)
    x = model.sample(7, generator=generator)
    assert x.shape == (7, 3, 2)
    assert model.decode(torch.zeros(2, 5, 9)).shape == (2, 5, 3, 2, head.num_params)
    assert model.elbo(x, num_samples=3, generator=generator).shape == (7,)
    assert model.level_rates(x).shape == (7, 3)
    assert model.bound_terms(x, 2).rate.shape == (7, 9)
    assert model.sample(7, condition=torch.zeros(7, 9), generator=generator).shape == (7, 3, 2)


def test_wrong_input_is_one_line(as_user):
    model = a_model(HierarchicalVAE, (2, 1))
    ladder = a_model(LadderVAE, (2, 1))
    parts = [nn.Identity()]
    head = BernoulliHead()
    zero = torch.zeros(2, 1)
    with pytest.raises(Intractable, match=r"LadderVAE cannot score: its density is an integral"):
        ladder.log_prob(EVENTS)
    for call, message in (
        (lambda: model.elbo(torch.zeros(3, 5).long()), r"x: expected shape \(batch, 3\), got"),
        (lambda: model.decode(torch.zeros(3, 2)), r"z: expected shape \(\.\.\., 3\)"),
        (lambda: HierarchicalVAE(parts, parts, head, (2, 1), (3,)), r"decoders: expected one"),
        (lambda: HierarchicalVAE(parts * 2, parts, head, (2,), (3,)), r"encoders: expected one"),
        (lambda: LadderVAE(parts * 2, parts, parts, head, (2,), (3,)), r"paths: expected one"),
        (lambda: LadderVAE(parts, parts * 2, parts, head, (2,), (3,)), r"messages: expected one"),
        (
            lambda: LadderVAE(parts, parts, parts, head, (0,), (3,)),
            r"latent_dims: expected a whole",
        ),
        (lambda: a_model(LadderVAE, free_nats=-1.0), r"free_nats: expected a number >= 0"),
        (lambda: a_model(LadderVAE, warmup_steps=-1), r"warmup_steps: expected a whole number"),
        (lambda: model.prior.sample(3, first=(zero,)), r"first: expected shape \(3, 1\)"),
        (lambda: model.prior.sample(2, first=(zero,) * 3), r"first: expected at most 2, got 3"),
        (lambda: LevelChain((1,), True, model.prior_given).sample(0), r"num_samples: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
