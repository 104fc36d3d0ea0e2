"""The classifier two-sample test: can the origin of a point be told?"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.special import bdtrc
from torch import Tensor

from course_utils.arguments import ArgumentError, check_tensor
from course_utils.metrics.likelihood import Estimate
from course_utils.metrics.two_sample.samples import check_samples, shuffled

Classifier = Callable[[Tensor], Tensor]
"""Points in, one logit for each out."""


@dataclass(frozen=True)
class ClassifierVerdict:
    """What a classifier two-sample test says.

    Attributes:
        accuracy: Share of held-out points whose origin was told correctly, ½ in expectation if
            P = Q, with its binomial standard error.
        p_value: Probability of at least as many correct answers from a fair coin.
    """

    accuracy: Estimate
    p_value: float


def nearest_neighbours(
    points: Float[Tensor, "train dim"], labels: Int[Tensor, " train"]
) -> Classifier:
    """Fit a classifier that takes the majority label of the nearest √N training points.

    Args:
        points: N training points; the neighbours are an odd number close to √N.
        labels: 0 or 1.

    Returns:
        A function from points (test, dim) to labels (test,).
    """
    num_neighbours = 2 * (math.isqrt(len(points)) // 2) + 1

    def predict(queries: Tensor) -> Tensor:
        nearest = torch.cdist(queries, points).topk(num_neighbours, largest=False).indices
        return (2 * labels[nearest].sum(-1) > num_neighbours).long()

    return predict


def classifier_test(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "n dim"],
    *,
    fit: Callable[[Tensor, Tensor], Classifier] = nearest_neighbours,
    generator: torch.Generator | None = None,
) -> ClassifierVerdict:
    """Classifier two-sample test: can a classifier tell the samples apart on held-out points?

    A random half of each sample trains the classifier and the other half judges it. The best
    accuracy possible is ½ + ½ TV(P, Q), TV the total variation.

    Args:
        x: First sample, n ≥ 4 points, label 0.
        y: Second sample, as many points, label 1.
        fit: From training points and labels to a function from points to labels 0 or 1.
        generator: Source of randomness on the device of ``x``.

    Returns:
        Accuracy a on the N held-out points, standard error √(a(1−a)/N), and the p-value.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        The accuracy is unbiased for the classifier trained; its excess over ½ bounds
        ½ TV(P, Q) from below in expectation.

    Source:
        [lopezpaz2017revisiting].
    """
    check_samples(x, y, 4)
    if len(x) != len(y):
        raise ArgumentError(f"y: expected as many points as x, {len(x)}, got {len(y)}")
    half = len(x) // 2
    parts = [v.double()[shuffled(len(v), v.device, generator)] for v in (x, y)]
    train = torch.cat([v[:half] for v in parts])
    test = torch.cat([v[half:] for v in parts])
    train_labels = torch.arange(2, device=x.device).repeat_interleave(half)
    test_labels = torch.arange(2, device=x.device).repeat_interleave(len(x) - half)
    guesses = check_tensor("fit", fit(train, train_labels)(test), shape=(len(test),))
    correct = int((guesses == test_labels).sum())
    accuracy = correct / len(test)
    error = math.sqrt(accuracy * (1 - accuracy) / len(test))
    p_value = float(bdtrc(correct - 1, len(test), 0.5)) if correct else 1.0
    return ClassifierVerdict(Estimate(accuracy, error), p_value)
