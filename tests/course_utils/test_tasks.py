"""The capability table against the classes: every cell is asked, on an example one can know.

``exact`` scores sum to one over all events (or equal a law of torch.distributions), ``exact``
samples follow them, ``exact`` posteriors obey Bayes' rule (over all events: they average to the
prior; of continuous events: they are joint density over density), ``exact`` losses are the negative
log-likelihood, and ``absent`` raises ``Intractable``. A new family needs a row in ``EXAMPLES``.
"""

import importlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, get_args

import pytest
import torch
from scipy import stats
from torch import Tensor, distributions, nn

from course_utils import tasks
from course_utils.arguments import ArgumentError
from course_utils.distributions import CategoricalHead
from course_utils.gaussians import Gaussian
from course_utils.models.autoregressive import WindowModel
from course_utils.tasks import (
    BOUND_METHOD,
    CAPABILITIES,
    METHODS,
    Capability,
    Intractable,
    absent,
    can,
)
from course_utils.worlds.graphs import all_graphs

ROWS = {row.family: row for row in CAPABILITIES}


@dataclass
class Chain:
    """Law of a pair: the first coordinate, and the second given the first."""

    first: distributions.Distribution
    second: Callable[[Tensor], distributions.Distribution]

    def sample(self, shape: tuple[int]) -> Tensor:
        first = self.first.sample(shape)
        return torch.stack([first, self.second(first).sample()], -1)

    def log_prob(self, x: Tensor) -> Tensor:
        first, second = x.unbind(-1)
        return self.first.log_prob(first) + self.second(first).log_prob(second)


@dataclass
class Example:
    """A tiny member of a family and what is known about it.

    Attributes:
        subject: The instance.
        events: All events, or ``None`` for a continuous family.
        law: The same law for a continuous family, from torch.distributions or ``Chain``.
        sample: Options that ``sample`` needs.
        observe: Turns events into the argument of ``posterior``.
        prior: What the posterior averages to; called on the average it selects what to compare.
        hidden: For a continuous family, p(z) and the function that gives p(x | z); both laws
            from torch.distributions.
        log_prob: For a family that scores by a bound, log p(x) by enumeration or quadrature.
    """

    subject: Any
    events: Tensor | None = None
    law: distributions.Distribution | Chain | None = None
    sample: dict[str, Any] = field(default_factory=dict)
    observe: Callable[[Tensor], Tensor] = lambda x: x
    prior: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    hidden: tuple[Any, Callable[[Tensor], Any]] | None = None
    log_prob: Callable[[Tensor], Tensor] | None = None


def load(symbol: str) -> type:
    module, _, name = symbol.rpartition(".")
    return getattr(importlib.import_module(module), name)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(6)


def words(num_symbols: int, length: int) -> Tensor:
    return torch.tensor(list(itertools.product(range(num_symbols), repeat=length)))


def table(cls) -> Example:
    world = cls.random((2, 3), seeded())
    events = torch.cartesian_prod(torch.arange(2), torch.arange(3))
    hide_second = torch.tensor([0, 1]).bool()
    return Example(
        world,
        events,
        observe=lambda x: x.masked_fill(hide_second, -1),
        prior=lambda mean: (mean, world.probs.sum(0)),
    )


def markov(cls) -> Example:
    return Example(cls.random(3, 1, seeded()), words(3, 3), sample={"length": 3})


def hidden_markov(cls) -> Example:
    world = cls.random(2, 3, seeded())
    powers = [torch.linalg.matrix_power(world.transition, t) for t in range(3)]
    return Example(
        world,
        words(3, 3),
        sample={"length": 3},
        prior=lambda mean: (mean, torch.stack([world.initial @ p for p in powers])),
    )


def grammar(cls) -> Example:
    """S -> A B, where B is one word with probability 0.7 and two words A A with 0.3."""
    world = cls.from_rules(
        {
            "S": {"A B": 1.0},
            "A": {"a": 0.6, "b": 0.4},
            "B": {"A A": 0.3, "c": 0.7},
        }
    )
    short = torch.cat([words(3, 2), torch.full((9, 1), -1)], 1)
    spans = torch.tensor([0.7, 0.3], dtype=torch.float64)
    return Example(
        world, torch.cat([short, words(3, 3)]), prior=lambda mean: (mean[1, 1:, 2], spans)
    )


def copies(cls) -> Example:
    return Example(cls(3, 2, 0.2), words(3, 4), sample={"length": 4})


def parities(cls) -> Example:
    return Example(cls(3, 0.1), words(2, 5), sample={"length": 5})


def brackets(cls) -> Example:
    return Example(cls(1, 2, 0.4), words(2, 5), sample={"length": 5})


def plane_mixture(cls) -> Example:
    means = torch.tensor([[0.0, 1.0], [2.0, -1.0]], dtype=torch.float64)
    factors = torch.tensor([[[1.0, 0.0], [0.5, 0.3]], [[0.4, 0.0], [-0.2, 0.9]]]).double()
    even = torch.full((2,), 0.5, dtype=torch.float64)
    parts = distributions.MultivariateNormal(means, scale_tril=factors)
    law = distributions.MixtureSameFamily(distributions.Categorical(even), parts)
    return Example(cls(means, factors @ factors.mT, even), law=law, hidden=component_of(law))


def component_of(
    law: distributions.MixtureSameFamily,
) -> tuple[distributions.Categorical, Callable[[Tensor], distributions.Distribution]]:
    """The weights of a mixture, and its components in their order."""
    return law.mixture_distribution, lambda _: law.component_distribution


def checkerboard(cls) -> Example:
    """Two of the four squares between -1 and 1."""
    low = torch.tensor([[-1.0, -1.0], [0.0, 0.0]], dtype=torch.float64)
    squares = distributions.Independent(
        distributions.Uniform(low, low + 1, validate_args=False), 1, validate_args=False
    )
    even = distributions.Categorical(torch.full((2,), 0.5, dtype=torch.float64))
    law = distributions.MixtureSameFamily(even, squares, validate_args=False)
    return Example(cls(2, 1.0, dtype=torch.float64), law=law, hidden=component_of(law))


def normal(mean: float, std: float) -> distributions.Normal:
    return distributions.Normal(*torch.tensor([mean, std], dtype=torch.float64))


def funnel(cls) -> Example:
    law = Chain(normal(0, 1.7), lambda x: distributions.Normal(0 * x, (x / 2).exp()))
    return Example(cls(1.7, dtype=torch.float64), law=law)


def banana(cls) -> Example:
    law = Chain(normal(0, 1.2), lambda x: distributions.Normal(0.7 * (x**2 - 1.44), 0.3))
    return Example(cls(1.2, bend=0.7, width=0.3, dtype=torch.float64), law=law)


def centred(covariance: Tensor) -> distributions.MultivariateNormal:
    return distributions.MultivariateNormal(torch.zeros_like(covariance[0]), covariance)


def decaying() -> distributions.MultivariateNormal:
    """AR(1) with a = 0.6 and s = 0.5: covariance s^2 a^|i - j| / (1 - a^2)."""
    place = torch.arange(3, dtype=torch.float64)
    return centred(0.25 * 0.6 ** (place[:, None] - place).abs() / (1 - 0.6**2))


def autoregressive_source(cls) -> Example:
    source = cls(torch.tensor([0.6], dtype=torch.float64), 0.5)
    return Example(source, law=decaying(), sample={"length": 3})


def sinusoids(cls) -> Example:
    """One sinusoid, a cos(2 pi 0.2 t) + b sin(2 pi 0.2 t) with a, b ~ N(0, 1.5^2)."""
    frequency, scale = torch.tensor([[0.2], [1.5]], dtype=torch.float64)
    angle = 2 * math.pi * 0.2 * torch.arange(3, dtype=torch.float64)
    waves = torch.stack([angle.cos(), angle.sin()], 1)
    noise = 0.16 * torch.eye(3, dtype=torch.float64)
    hidden = (
        centred(2.25 * torch.eye(2, dtype=torch.float64)),
        lambda w: distributions.MultivariateNormal(w @ waves.T, noise),
    )
    law = centred(2.25 * waves @ waves.T + noise)
    return Example(cls(frequency, scale, 0.4), law=law, sample={"length": 3}, hidden=hidden)


def noisy_signal(cls) -> Example:
    source = load("course_utils.worlds.signals.AutoregressiveSource")
    clean, noise = decaying(), 0.64 * torch.eye(3, dtype=torch.float64)
    return Example(
        cls(source(torch.tensor([0.6], dtype=torch.float64), 0.5), 0.8),
        law=centred(clean.covariance_matrix + noise),
        sample={"length": 3},
        hidden=(clean, lambda z: distributions.MultivariateNormal(z, noise)),
    )


def stopping_depth(cls) -> Example:
    """A slab of density 1.5 between depths 1 and 3: one plus a truncated exponential variable."""
    slab = load("course_utils.worlds.solids.SlabFog")(0.0, 2.0, 1.5)
    axis = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    unit = distributions.Uniform(*torch.tensor([0.0, 1.0], dtype=torch.float64))
    inverse = [
        distributions.AffineTransform(1.0, -(1 - math.exp(-3.0))),
        distributions.ExpTransform().inv,
        distributions.AffineTransform(1.0, -1 / 1.5),
    ]
    law = distributions.TransformedDistribution(unit, inverse, validate_args=False)
    return Example(cls(slab, -axis, axis, 0.0, 4.0), law=law)


def gaussian_scenes(cls) -> Example:
    scenes = load("course_utils.worlds.scenes.Scenes")(size=2, dtype=torch.float64)
    world = cls(scenes, noise=0.3)
    pixels = distributions.Normal(scenes.renderings, 0.3)
    uniform = distributions.Categorical(logits=torch.zeros(len(scenes), dtype=torch.float64))
    law = distributions.MixtureSameFamily(uniform, distributions.Independent(pixels, 2))
    return Example(world, law=law, hidden=component_of(law))


def quantised_scenes(cls) -> Example:
    scenes = load("course_utils.worlds.scenes.Scenes")(size=2, dtype=torch.float64)
    world = cls(scenes, noise=0.3, num_levels=3)
    prior = torch.full((len(scenes),), 1 / len(scenes), dtype=torch.float64)
    return Example(world, words(3, 4).reshape(-1, 2, 2), prior=lambda mean: (mean, prior))


def graphs(*arguments) -> Callable[[type], Example]:
    return lambda cls: Example(cls(*arguments), all_graphs(4))


EDGE_PROBS = torch.tensor([[0.8, 0.1], [0.1, 0.6]], dtype=torch.float64)


def latent_blocks(cls) -> Example:
    shares = torch.tensor([0.7, 0.3], dtype=torch.float64)
    world = cls(4, shares, EDGE_PROBS)
    prior = shares[world.assignments()].prod(1)
    return Example(world, all_graphs(4), prior=lambda mean: (mean, prior))


def molecules(cls) -> Example:
    world = cls(3)
    return Example(
        world, world.bonds, prior=lambda mean: (mean, world.joint_log_probs.exp().sum(0))
    )


def ngram(cls) -> Example:
    tokens = torch.randint(3, (20, 3), generator=seeded())
    model = cls(3, 1, smoothing=0.5, length=3).double()
    return Example(model.fit_counts(tokens), words(3, 3))


def autoregressive_process(cls) -> Example:
    return Example(cls(torch.tensor([0.6], dtype=torch.float64), 0.5, length=3), law=decaying())


def network(*arguments, num_symbols: int, **options) -> Callable[[type], Example]:
    """A small network with random weights; its events are words of its length."""

    def build(cls) -> Example:
        model = cls(*arguments, **options).double().eval()
        generator = seeded()
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.5, generator=generator)
        return Example(model, words(num_symbols, model.num_variables))

    return build


def an_ensemble(cls) -> Example:
    build = network(2, 2, 3, radius=1, hidden=5, num_symbols=3)
    members = [build(WindowModel).subject for _ in range(2)]
    nn.init.normal_(members[1].levels, generator=seeded())
    return Example(cls(members), words(3, 4))


def masked_prediction(cls) -> Example:
    return Example(cls(2, 3, 8, 2, 1).double().eval(), words(2, 3))


def linear_gaussian(cls) -> Example:
    model = cls.random(3, 2, 0.6, seeded())
    covariance = model.weight @ model.weight.mT + 0.36 * torch.eye(3, dtype=torch.float64)
    prior = distributions.MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())

    def given(z):
        mean = z @ model.weight.mT + model.bias
        return distributions.Independent(distributions.Normal(mean, 0.6), 1)

    law = distributions.MultivariateNormal(model.bias, covariance)
    return Example(model, law=law, hidden=(prior, given))


def variational_autoencoder(cls) -> Example:
    torch.manual_seed(0)
    return integrated(cls.of_perceptrons((3,), 1, CategoricalHead(2), (4,)))


def autoregressive_vae(cls) -> Example:
    torch.manual_seed(0)
    return integrated(cls((3,), 1, 2, 4))


def integrated(model) -> Example:
    """Three binary variables and one latent coordinate, log p(x) by the trapezoidal rule."""
    model = model.double()
    grid = torch.linspace(-9, 9, 2001, dtype=torch.float64)

    def log_prob(x):
        z = grid[:, None, None].expand(-1, len(x), 1)
        return torch.trapezoid(model.log_joint(x, z).exp(), grid, dim=0).log().detach()

    return Example(model, words(2, 3), log_prob=log_prob)


def coder(*arguments, **options) -> Callable[[type], Example]:
    def build(cls) -> Example:
        torch.manual_seed(0)
        return Example(cls(*arguments, **options).double().eval(), words(2, 4))

    return build


def variational_with(latent_dim: int, **options: float) -> Callable[[type], Example]:
    """As ``variational_autoencoder``; log p(x) by a grid over one or two latents."""

    def build(cls) -> Example:
        torch.manual_seed(0)
        model = cls.of_perceptrons((3,), latent_dim, CategoricalHead(2), (4,), **options).double()
        axis = torch.linspace(-7, 7, 2001 if latent_dim == 1 else 181, dtype=torch.float64)
        grid = torch.cartesian_prod(*[axis] * latent_dim).reshape(-1, 1, latent_dim)
        cell = latent_dim * math.log(float(axis[1] - axis[0]))

        def log_prob(x):
            joint = model.log_joint(x, grid.expand(-1, len(x), -1))
            return (joint.logsumexp(0) + cell).detach()

        return Example(model, words(2, 3), log_prob=log_prob)

    return build


def coded(cls) -> Example:
    """Two by two binary pixels by way of four codes of two kinds: 16 maps to sum over."""
    torch.manual_seed(0)
    load_part = "course_utils.models.vq.VQVAE", "course_utils.models.autoregressive.MADE"
    vqvae, made = map(load, load_part)
    model = cls(vqvae(2, 2, 2, 2, 3, 4, num_halvings=0), made(4, (5,))).double().eval()
    maps = words(2, 4)

    def log_prob(x):
        terms = [
            model.prior.log_prob(maps) + model.coder.log_prob_given(row.expand(16, 4), maps)
            for row in x
        ]
        return torch.stack(terms).logsumexp(1).detach()

    return Example(model, maps, log_prob=log_prob)


def linear_hierarchy(cls) -> Example:
    model = cls.random(3, (2, 1), 0.6, seeded())
    low, top = model.weights
    levels = torch.eye(3, dtype=torch.float64)
    levels[:2, :2] = top @ top.mT + 0.36 * torch.eye(2, dtype=torch.float64)
    levels[:2, 2:], levels[2:, :2] = top, top.mT
    prior = distributions.MultivariateNormal(torch.zeros(3).double(), levels)

    def given(z):
        mean = z[..., :2] @ low.mT + model.bias
        return distributions.Independent(distributions.Normal(mean, 0.6), 1)

    covariance = low @ levels[:2, :2] @ low.mT + 0.36 * torch.eye(3, dtype=torch.float64)
    law = distributions.MultivariateNormal(model.bias, covariance)
    return Example(model, law=law, hidden=(prior, given))


def gaussian_mixture(cls) -> Example:
    world = plane_mixture(load("course_utils.worlds.plane.PlaneMixture"))
    parts = world.subject
    model = cls(parts.weights, parts.means, parts.covariances)
    return Example(model, law=world.law, hidden=world.hidden)


def factor_analysis(cls) -> Example:
    weight = torch.randn(3, 2, generator=seeded(), dtype=torch.float64)
    noise = torch.tensor([0.2, 0.5, 1.1], dtype=torch.float64)
    model = cls(weight, torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64), noise)
    prior = distributions.MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())

    def given(z):
        mean = z @ weight.mT + model.bias
        return distributions.Independent(distributions.Normal(mean, noise.sqrt()), 1)

    law = distributions.MultivariateNormal(model.bias, weight @ weight.mT + noise.diag())
    return Example(model, law=law, hidden=(prior, given))


def two_levels(cls) -> Example:
    torch.manual_seed(0)
    model = cls.of_perceptrons((3,), (1, 1), CategoricalHead(2), 4).double()
    grid = torch.linspace(-9, 9, 91, dtype=torch.float64)

    def log_prob(x):
        z = torch.cartesian_prod(grid, grid)[:, None].expand(-1, len(x), 2)
        joint = model.log_joint(x, z).exp().unflatten(0, (len(grid), len(grid)))
        inner = torch.trapezoid(joint, grid, dim=1)
        return torch.trapezoid(inner, grid, dim=0).log().detach()

    return Example(model, words(2, 3), log_prob=log_prob)


def hidden_table(cls) -> Example:
    model = cls(2, (3, 2)).double()
    with torch.no_grad():
        model.logits.normal_(generator=seeded())
    events = torch.cartesian_prod(torch.arange(3), torch.arange(2))
    prior = model.joint().exp().sum((1, 2)).detach()
    return Example(model, events, prior=lambda mean: (mean.detach(), prior))


def classical_autoencoder(cls) -> Example:
    return Example(cls.of_perceptrons((3,), 1, ()))


def bayesian_network(cls) -> Example:
    model = cls.random(((), (0,)), (2, 3), seeded())
    events = torch.cartesian_prod(torch.arange(2), torch.arange(3))
    hide_second = torch.tensor([0, 1]).bool()
    marginal = model.tables[0] @ model.tables[1]
    return Example(
        model,
        events,
        observe=lambda x: x.masked_fill(hide_second, -1),
        prior=lambda mean: (mean, marginal),
    )


def unknown_coins(cls) -> Example:
    """Two rows of two tosses; with a uniform prior both rows share a coin with probability 2/3."""
    assignments = torch.tensor([1 / 3, 1 / 6, 1 / 6, 1 / 3], dtype=torch.float64)
    events = words(2, 4).reshape(-1, 2, 2)
    return Example(cls(2, 2, 2, 0.7, 1.3), events, prior=lambda mean: (mean, assignments))


def state_space(cls) -> Example:
    """One step, so that the posterior of the state is one Gaussian."""
    eye = torch.eye(2, dtype=torch.float64)
    start = Gaussian(torch.tensor([0.5, -1.0]).double(), eye + 0.3)
    see, noise = torch.tensor([[1.0, 2.0]]).double(), 0.4 * eye[:1, :1]
    model = cls(eye, eye, see, noise, start)
    reshape = distributions.ReshapeTransform((1,), (1, 1))
    seen = distributions.MultivariateNormal(see @ start.mean, see @ (eye + 0.3) @ see.mT + noise)
    law = distributions.TransformedDistribution(seen, [reshape])
    prior = distributions.Independent(
        distributions.MultivariateNormal(start.mean[None], eye + 0.3), 1
    )

    def given(z):
        return distributions.Independent(distributions.Normal(z @ see.mT, 0.4**0.5), 2)

    return Example(model, law=law, sample={"length": 1}, hidden=(prior, given))


def ising(cls) -> Example:
    return Example(cls(3, 3, 0.2, 0.1), 2 * words(2, 9).reshape(-1, 3, 3) - 1)


def circuit_tree(cls) -> Example:
    torch.manual_seed(0)
    model = cls(4, 2).double()
    events = words(2, 4)
    hidden = torch.tensor([False, True, False, False])
    probs = model.log_prob(events).exp().detach()
    truth = torch.stack([probs[events[:, 1] == k].sum() for k in range(2)])
    return Example(
        model,
        events,
        observe=lambda x: x.masked_fill(hidden, -1),
        prior=lambda mean: (mean[1].detach(), truth),
    )


EXAMPLES: dict[str, Callable[[type], Example]] = {
    "Table": table,
    "Markov source": markov,
    "Hidden Markov source": hidden_markov,
    "Grammar source": grammar,
    "Copies at a distance": copies,
    "Parities of blocks": parities,
    "Nested brackets": brackets,
    "Gaussian mixture in the plane": plane_mixture,
    "Checkerboard": checkerboard,
    "Funnel": funnel,
    "Banana": banana,
    "Autoregressive source": autoregressive_source,
    "Sinusoids in noise": sinusoids,
    "Gaussian signal in noise": noisy_signal,
    "Depth at which a fog stops light": stopping_depth,
    "Scenes with Gaussian noise": gaussian_scenes,
    "Quantised scenes": quantised_scenes,
    "Graphs with independent edges": graphs(4, 0.3),
    "Graphs with a fixed number of edges": graphs(4, 3),
    "Block model, blocks given": graphs(torch.tensor([0, 0, 1, 1]), EDGE_PROBS),
    "Block model, blocks hidden": latent_blocks,
    "Preferential attachment": graphs(4, 2),
    "Molecules": molecules,
    "n-gram": ngram,
    "AR(p) process": autoregressive_process,
    "Neural language model": network(3, 2, 4, 5, num_symbols=3, length=3),
    "Window model": network(2, 2, 3, radius=1, hidden=5, num_symbols=3),
    "FVSBN": network(4, num_symbols=2),
    "NADE": network(4, 3, num_symbols=2),
    "MADE": network(4, (5,), num_symbols=2),
    "GPT": network(3, 3, 8, 2, 2, num_symbols=3),
    "Image GPT": network(2, 2, 3, 8, 2, 1, num_symbols=3),
    "Masked prediction": masked_prediction,
    "Recurrent language model": network(3, 4, embed_dim=2, length=3, num_symbols=3),
    "WaveNet": network(CategoricalHead(3), 4, dilations=(1, 2), length=3, num_symbols=3),
    "PixelCNN": network(2, 2, 3, 4, 2, num_symbols=3),
    "Gated PixelCNN": network(2, 2, 3, 4, 2, num_symbols=3),
    "PixelRNN": network(2, 2, 3, "row", 4, num_symbols=3),
    "PixelCNN++": network(2, 2, 3, features=3, num_components=2, num_symbols=3),
    "Ensemble of autoregressive models": an_ensemble,
    "Linear-Gaussian model": linear_gaussian,
    "Variational autoencoder": variational_autoencoder,
    "Importance-weighted autoencoder": variational_autoencoder,
    "VQ-VAE, codes without a prior": coder(2, 2, 2, 3, 4, 4),
    "VQ-VAE-2, codes without a prior": coder(2, 2, 2, 3, 4, 4, num_halvings=0),
    "VQ-VAE with a prior over codes": coded,
    "Linear hierarchy": linear_hierarchy,
    "Hierarchical VAE": two_levels,
    "Ladder VAE": two_levels,
    "VAE with an autoregressive decoder": autoregressive_vae,
    "Classical autoencoder": classical_autoencoder,
    "β-VAE": variational_with(1, beta=4.0),
    "FactorVAE": variational_with(2, gamma=3.0),
    "Table with a hidden variable": hidden_table,
    "Gaussian mixture": gaussian_mixture,
    "Factor analysis": factor_analysis,
    "Bayesian network": bayesian_network,
    "Tosses of unknown coins": unknown_coins,
    "Linear-Gaussian state space": state_space,
    "Ising model": ising,
    "Tree-shaped circuit": circuit_tree,
}


@pytest.fixture(params=ROWS)
def row(request) -> Capability:
    return ROWS[request.param]


@pytest.fixture
def example(row) -> Example:
    return EXAMPLES[row.family](load(row.symbol))


def test_families_have_examples_and_answers_are_words_of_the_table():
    assert list(EXAMPLES) == [row.family for row in CAPABILITIES]
    assert len({row.symbol for row in CAPABILITIES}) == len(CAPABILITIES)
    answers = {getattr(row, task) for row in CAPABILITIES for task in METHODS}
    assert answers <= set(get_args(tasks.Answer))


def test_what_is_present_is_there_and_what_is_absent_says_why(row, example):
    for task, method in METHODS.items():
        answer = getattr(row, task)
        missing = answer == "absent" or (task == "score" and answer == "bound")
        assert can(example.subject, task) is not missing, task
        if missing:
            with pytest.raises(Intractable, match=rf"cannot {task}: .*\. See .*\.$"):
                getattr(example.subject, method)(torch.zeros(1))


def test_exact_scores_are_the_law(row, example):
    if row.score in ("absent", "bound"):
        return
    assert row.score == "exact"
    if example.law is None:
        total = example.subject.log_prob(example.events).logsumexp(0)
        assert abs(float(total.detach())) < 1e-12
    else:
        torch.manual_seed(0)
        x = example.law.sample((50,))
        expected = example.law.log_prob(x)
        score = example.subject.log_prob(x).detach()
        torch.testing.assert_close(score, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.concept("found.taxonomy")
def test_a_score_is_called_exact_if_and_only_if_it_is_a_law_of_its_own(row, example):
    """Kind of the density against what the class does: a sum (or, on a line or a plane, an
    integral over a grid) of exp log_prob is one, or log_prob is refused."""
    kind = tasks.density_kind(row)
    assert (kind == "explicit") is can(example.subject, "score")
    if kind == "explicit" and example.events is not None:
        total = example.subject.log_prob(example.events).exp().sum()
        assert abs(float(total.detach()) - 1) < 1e-3
    elif kind == "explicit" and getattr(example.law, "event_shape", None) == torch.Size([2]):
        axis = (torch.arange(600, dtype=torch.float64) + 0.5) * 0.04 - 12
        density = example.subject.log_prob(torch.cartesian_prod(axis, axis)).exp()
        assert abs(float(density.sum() * 0.04**2) - 1) < 1e-3
    assert (kind == "bounded") is (example.log_prob is not None)


def test_bounds_lie_below_the_law(row, example):
    """The mean over draws of the bound, with four standard errors; the loss is minus the bound,
    unless the family says that it lowers something else."""
    assert (row.score == "bound") is (example.log_prob is not None)
    if row.score != "bound":
        return
    bound, x = getattr(example.subject, BOUND_METHOD), example.events
    truth = example.log_prob(x)
    assert abs(float(truth.logsumexp(0))) < 1e-8
    with torch.no_grad():
        torch.manual_seed(0)
        draws = torch.stack([bound(x) for _ in range(400)])
        assert bool((draws.mean(0) - 4 * draws.std(0) / 20 <= truth).all())
        torch.manual_seed(1)
        loss = example.subject.loss(x)["total"]
        torch.manual_seed(1)
        same = bool(torch.isclose(loss, -bound(x).mean(), rtol=1e-12, atol=0))
    assert same is (row.learn == "bound")
    assert row.learn in ("bound", "estimate")


def test_exact_samples_follow_the_scores(row, example, generator):
    """Chi-square over all events, or Kolmogorov-Smirnov of the first coordinate; p > 0.001."""
    if row.sample == "absent":
        return
    if row.sample in ("absent", "estimate"):  # the latter is right in a limit, tested elsewhere
        return
    assert row.sample == "exact"
    x = example.subject.sample(4000, generator=generator, **example.sample)
    assert x.shape[0] == 4000
    if example.law is None:
        log_prob = example.log_prob or example.subject.log_prob
        probs = log_prob(example.events).detach().exp()
        same = (x[:, None] == example.events[None]).flatten(2).all(2)
        assert bool((same.sum(1) == 1).all())
        counts = same.sum(0)
        likely = probs * 4000 > 5
        observed = [*counts[likely].tolist(), int(counts[~likely].sum())]
        expected = [*(4000 * probs[likely]).tolist(), float(4000 * probs[~likely].sum())]
        cells = [pair for pair in zip(observed, expected, strict=True) if pair[1] > 1e-9]
        assert stats.chisquare(*zip(*cells, strict=True)).pvalue > 0.001
    else:
        first = x.reshape(4000, -1)[:, 0].numpy()
        torch.manual_seed(1)
        reference = example.law.sample((5000,)).reshape(5000, -1)[:, 0].numpy()
        assert stats.ks_2samp(first, reference).pvalue > 0.001


def test_exact_posteriors_obey_bayes_rule(row, example):
    """E_x p(z | x) = p(z) over all events; for a continuous family p(z) p(x | z) / p(x), at every
    level of a discrete z and at some values of a real one."""
    if row.infer in ("absent", "estimate"):
        return
    assert row.infer == "exact"
    if example.law is None:
        probs = example.subject.log_prob(example.events).exp()
        possible = probs > 0
        posterior = example.subject.posterior(example.observe(example.events[possible]))
        mean = torch.tensordot(probs[possible], posterior, dims=1)
        actual, prior = example.prior(mean)
        torch.testing.assert_close(actual, prior, rtol=1e-10, atol=1e-12)
    else:
        torch.manual_seed(0)
        x, (prior, likelihood) = example.law.sample((20,)), example.hidden
        discrete = prior.has_enumerate_support
        z = prior.enumerate_support() if discrete else prior.sample((7,))
        joint = prior.log_prob(z) + likelihood(z).log_prob(x[:, None])
        expected = (joint - example.law.log_prob(x)[:, None]).exp()
        posterior = example.subject.posterior(x)
        found = posterior if discrete else posterior.log_prob(z[:, None]).exp().T
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)


def test_exact_losses_are_the_negative_log_likelihood(row, example):
    if row.learn in ("absent", "estimate", "bound"):
        return
    assert row.learn == "exact"
    torch.manual_seed(0)
    batch = example.law.sample((9,)) if example.events is None else example.events[:9]
    nats = -example.subject.log_prob(batch).mean()
    torch.testing.assert_close(example.subject.loss(batch)["total"], nats, rtol=1e-12, atol=0)


class Coin:
    """Can sample and score; has no hidden variable; says nothing of learning."""

    def sample(self, num_samples, *, condition=None, generator=None):
        return torch.zeros(num_samples)

    def log_prob(self, x):
        return torch.full(x.shape[:1], -math.log(2))

    posterior = absent("infer", "nothing is hidden.", "week 1")


def test_an_absent_method_says_who_what_why_and_where():
    with pytest.raises(Intractable) as error:
        Coin().posterior(torch.zeros(3), anything=1)
    assert str(error.value) == "Coin cannot infer: nothing is hidden. See week 1."
    assert Coin.posterior.__name__ == "posterior"


@pytest.mark.parametrize("subject", [Coin, Coin()])
def test_can_tells_present_from_absent_and_missing(subject):
    assert [can(subject, task) for task in METHODS] == [True, True, False, False]


def test_protocols_are_met_by_shape_alone():
    assert isinstance(Coin(), tasks.CanSample) and isinstance(Coin(), tasks.CanScore)
    assert not isinstance(Coin(), tasks.CanLearn)
    protocols = (tasks.CanSample, tasks.CanScore, tasks.CanInfer, tasks.CanLearn)
    for protocol, method in zip(protocols, METHODS.values(), strict=True):
        assert callable(vars(protocol)[method])


def test_unknown_tasks_get_one_line(as_user):
    for call in (lambda: absent("dream", "no.", "week 1"), lambda: can(Coin(), "dream")):
        with pytest.raises(ArgumentError, match=r"task: expected one of 'sample', .* got 'dream'"):
            call()


def test_rows_for_printing_hold_the_table():
    rows = tasks.capability_rows()
    assert [row["family"] for row in rows] == list(ROWS)
    names = [f.name for f in fields(Capability) if f.name != "symbol"]
    for row in rows:
        assert list(row) == names
        assert all(row[name] == getattr(ROWS[row["family"]], name) for name in names)
