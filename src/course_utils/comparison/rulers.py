"""The metrics of the course as columns of a comparison.

Each function returns a `Metric`. Distances compare the model's samples with the test examples,
examples flattened to vectors, and read the truth's own row as their floor: most are not zero
between two samples of one law, and those that are biased (sliced Wasserstein, Frechet) are biased
alike in every row because all rows have equally many samples.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.comparison.metric import Evidence, Metric, Reading, log_scores
from course_utils.metrics import manifold, memorisation, modes, transport, two_sample
from course_utils.metrics.frechet import frechet_distance
from course_utils.metrics.likelihood import Estimate, nats_per_example
from course_utils.tasks import Intractable

Features = Callable[[Tensor], Float[Tensor, "batch dim"]]
"""From examples to vectors in which distances mean something; importable, as all recipes are."""

Modes = Callable[[Any, Tensor], tuple[Tensor, Tensor]]
"""From a world and examples to p(k | x), axes (batch, modes), and the weights w_k of the modes."""


def flat(x: Tensor) -> Float[Tensor, "batch dim"]:
    """Each example as one vector of float64, the features used if no others are given."""
    return x.flatten(1).double()


def negative_log_likelihood() -> Metric:
    """Mean of −log p(x) over the test examples, nats; with an ``elbo`` an upper bound of it."""
    return Metric("negative log-likelihood", "nats", "lower", {"score"}, _nll)


def gap_to_truth() -> Metric:
    """Mean of log p*(x) − log p(x) over the test examples, p* the world: KL(p*‖p) in nats.

    It is the gap between the negative log-likelihood and the world's entropy. Both are averaged
    over the same examples, so that their common chance cancels: the truth's own gap is exactly 0.
    """
    return Metric("gap to truth", "nats", "lower", {"score", "world score"}, _gap)


def energy_distance(features: Features = flat) -> Metric:
    """Energy distance, unbiased; the unit is that of the features."""
    return Metric("energy distance", "", "lower", {"samples"}, partial(_energy, features))


def sliced_wasserstein(features: Features = flat, *, num_projections: int = 256) -> Metric:
    """Sliced Wasserstein distance of order 2, along the same directions in every row."""
    compute = partial(_sliced, features, num_projections)
    return Metric("sliced Wasserstein", "", "lower", {"samples"}, compute)


def squared_mmd(features: Features = flat) -> Metric:
    """Squared MMD; the bandwidth is the median distance of test examples, one for all rows."""
    return Metric("squared MMD", "", "lower", {"samples"}, partial(_mmd, features))


def classifier_accuracy(features: Features = flat) -> Metric:
    """Accuracy of telling samples from test examples, ½ for a perfect model."""
    compute = partial(_classifier, features)
    return Metric("classifier accuracy", "", "lower", {"samples"}, compute)


def frechet(features: Features = flat) -> Metric:
    """Frechet distance of the features; too large by about 1/n + 1/m, see the truth's row."""
    return Metric("Frechet distance", "", "lower", {"samples"}, partial(_frechet, features))


def precision(features: Features = flat) -> Metric:
    """Share of samples within the balls of test examples (``metrics.manifold``)."""
    return _manifold("precision", features)


def recall(features: Features = flat) -> Metric:
    """Share of test examples within the balls of samples."""
    return _manifold("recall", features)


def density(features: Features = flat) -> Metric:
    """Balls of test examples over a sample, relative to a perfect model's."""
    return _manifold("density", features)


def coverage(features: Features = flat) -> Metric:
    """Share of the test examples' balls that a sample falls into."""
    return _manifold("coverage", features)


def components(
    world: Any, x: Tensor
) -> tuple[Float[Tensor, "batch modes"], Float[Tensor, " modes"]]:
    """A world's own modes: its ``posterior`` p(k | x) and its ``weights`` w_k."""
    if not hasattr(world, "weights"):
        raise Intractable(
            f"{type(world).__name__} cannot weigh modes: it has no attribute weights. See week 12."
        )
    return world.posterior(x), world.weights


def mode_divergence(modes_of: Modes = components) -> Metric:
    """KL(q‖w) of the modes the samples fall in from the world's weights, nats.

    It stays finite if modes are dropped: log(K/k) for k of K equal ones.

    Args:
        modes_of: From a world and examples to p(k | x) and w_k; coarser modes than a world's own
            need fewer samples, 5 in the rarest.
    """
    needs = {"samples", "world posterior"}
    return Metric("mode divergence", "nats", "lower", needs, partial(_modes, modes_of))


def high_quality_share() -> Metric:
    """Share of samples in the region, where the world is densest, that holds 99 % of it."""
    return Metric("high-quality share", "", "higher", {"samples", "world score"}, _high_quality)


def copied_share(features: Features = flat) -> Metric:
    """Share of samples that are copies of training examples; the one metric that sees those."""
    compute = partial(_copied, features)
    return Metric("copied share", "", "lower", {"samples", "train"}, compute)


def _nll(evidence: Evidence) -> Reading:
    scores, mark = log_scores(evidence.model, evidence.test)
    return _marked(nats_per_example(scores), mark)


def _gap(evidence: Evidence) -> Reading:
    scores, mark = log_scores(evidence.model, evidence.test)
    truth, truth_mark = log_scores(evidence.world, evidence.test)
    marks = {mark, truth_mark}
    worst = next(m for m in ("estimate", "bound", "exact") if m in marks)
    return _marked(nats_per_example(scores - truth), worst)


def _marked(estimate: Estimate, mark: str) -> Reading:
    error = math.nan if math.isinf(estimate.value) else estimate.standard_error
    return Reading(estimate.value, error, mark)


def _energy(features: Features, evidence: Evidence) -> Estimate:
    return two_sample.energy_distance(features(evidence.samples), features(evidence.test))


def _sliced(features: Features, num_projections: int, evidence: Evidence) -> Estimate:
    return transport.sliced_wasserstein(
        features(evidence.samples),
        features(evidence.test),
        num_projections=num_projections,
        generator=evidence.generator,
    )


def _mmd(features: Features, evidence: Evidence) -> Estimate:
    test = features(evidence.test)
    half = len(test) // 2
    width = two_sample.median_bandwidth(test[:half], test[half:])
    return two_sample.squared_mmd(features(evidence.samples), test, bandwidth=width)


def _classifier(features: Features, evidence: Evidence) -> Estimate:
    fewest = min(len(evidence.samples), len(evidence.test))
    x, y = (features(part[:fewest]) for part in (evidence.samples, evidence.test))
    return two_sample.classifier_test(x, y, generator=evidence.generator).accuracy


def _frechet(features: Features, evidence: Evidence) -> Estimate:
    return frechet_distance(features(evidence.samples), features(evidence.test))


def _manifold(score: str, features: Features) -> Metric:
    return Metric(score, "", "higher", {"samples"}, partial(_manifold_score, score, features))


def _manifold_score(score: str, features: Features, evidence: Evidence) -> Estimate:
    scores = manifold.manifold_scores(features(evidence.test), features(evidence.samples))
    return getattr(scores, score)


def _modes(modes_of: Modes, evidence: Evidence) -> Estimate:
    with torch.no_grad():
        posterior, weights = modes_of(evidence.world, evidence.samples)
    return modes.mode_coverage(posterior, weights).reverse_kl


def _high_quality(evidence: Evidence) -> Estimate:
    samples, test = (log_scores(evidence.world, x)[0] for x in (evidence.samples, evidence.test))
    return modes.high_quality_share(samples, test)


def _copied(features: Features, evidence: Evidence) -> Estimate:
    return memorisation.copied_share(
        features(evidence.samples), features(evidence.train), features(evidence.test)
    )
