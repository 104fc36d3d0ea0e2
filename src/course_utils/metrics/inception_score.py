"""Inception score: are the images recognisable, and are they of many classes?

A classifier gives each image x probabilities p(k | x) over K classes; p̄ is their average over the
images. The score is

    IS = exp E KL(p(· | x) ‖ p̄) = exp(H(p̄) − E H(p(· | x))),

the exponential of the mutual information between image and class: 1 if the classifier says the
same about every image, K if it is sure about each and all classes are equally frequent. Salimans
and co-workers (2016).

Three things to know before trusting it. It never looks at real images. One good image for each
class, copied without end, scores K. And an estimate from n images is too low, because the average
p̄ bends towards the images at hand: by about (K − 1)/(2n) of its value for a classifier that is
sure, so that n should be many times K. Taking the mean over ten parts of the images, as is usual,
makes that bias ten times larger.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import check_probabilities
from course_utils.metrics.likelihood import Estimate


def inception_score(probs: Float[Tensor, "n classes"]) -> Estimate:
    """Inception score exp(H(p̄) − mean H(p_i)) of n images, with the jackknife's standard error.

    Args:
        probs: p_ik = p(k | x_i) ≥ 0, sum 1 over the K classes; n ≥ K images.

    Returns:
        A number of classes, 1 to K, higher is better.

    Raises:
        ArgumentError: If there are fewer images than classes, or another argument is wrong.

    Accuracy:
        Biased downwards by at most about (K − 1)/(2n) of the value, see the module's text; the
        standard error does not contain the bias.

    Source:
        [salimans2016improved].
    """
    p, information = _informations(probs)
    n, classes = p.shape
    if n < classes:
        raise ArgumentError(
            f"probs: expected at least {classes} images for {classes} classes, got {n}"
        )
    entropies = _entropy(p)
    without = (p.sum(0) - p) / (n - 1)
    left = _entropy(without.clamp_min(0)) - (entropies.sum() - entropies) / (n - 1)
    scores = left.exp()
    variance = (n - 1) / n * (scores - scores.mean()).square().sum()
    return Estimate(information.exp().item(), variance.sqrt().item())


def split_inception_scores(
    probs: Float[Tensor, "n classes"], num_splits: int = 10
) -> Float[Tensor, " num_splits"]:
    """Inception scores of consecutive parts of the images, as other libraries report them.

    Args:
        probs: p_ik = p(k | x_i) ≥ 0, sum 1 over the K classes, the images in random order.
        num_splits: How many parts, 1 … n; their sizes differ by at most one.

    Returns:
        One score for each part, float64. Mean and standard deviation are what papers report.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Each value is biased downwards as one of n/``num_splits`` images.
    """
    check_tensor("probs", probs, shape=("n", "classes"), dtype="float")
    check_int("num_splits", num_splits, low=1, high=len(probs))
    parts = probs.tensor_split(num_splits)
    return torch.stack([_informations(part)[1].exp() for part in parts])


def _informations(probs: Tensor) -> tuple[Tensor, Tensor]:
    """The probabilities in float64 and H(p̄) − mean H(p_i)."""
    check_tensor("probs", probs, shape=("n", "classes"), dtype="float")
    check_probabilities("probs", probs)
    p = probs.detach().double()
    return p, _entropy(p.mean(0)) - _entropy(p).mean()


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)
