"""FID: the Frechet distance between images, taken between the features of a network.

The number means nothing alone. It depends on the network, and it is biased upwards by an amount
that depends on the sample sizes, the more the more features there are: two samples of 1000 from
one and the same 256-dimensional normal law are 33 apart, two of 10,000 still 3.3. So

* compare only values of one network at the same numbers of images,
* read every value beside ``fid_floor``, what two samples of the truth score,
* or remove the leading bias with ``extrapolated_fid``,

and take the real images from the held-out part, since a model that copies its training set has
the best FID against it.
"""

import math
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.metrics.frechet import frechet_distance
from course_utils.metrics.likelihood import Estimate
from course_utils.metrics.two_sample.samples import shuffled

_IMAGES_AT_ONCE = 1000


@runtime_checkable
class HasFeatures(Protocol):
    """Anything with a method ``features`` from images (batch, …) to features (batch, dim)."""

    def features(self, x: Tensor) -> Tensor:
        """Features of a batch of images."""


def extract_features(
    images: Tensor, network: HasFeatures, *, batch_size: int = _IMAGES_AT_ONCE
) -> Float[Tensor, "n dim"]:
    """Features of many images, a batch at a time and without gradients.

    Args:
        images: Axis 0 is the image; whatever ``network.features`` takes.
        network: Where the features come from.
        batch_size: Images at once, ≥ 1.

    Returns:
        One row of features for each image.

    Raises:
        ArgumentError: If the network returns something else than one row for each image.
    """
    check_tensor("images", images)
    check_int("batch_size", batch_size, low=1)
    with torch.no_grad():
        features = torch.cat([network.features(part) for part in images.split(batch_size)])
    return check_tensor("network.features", features, shape=(len(images), "dim"), dtype="float")


def fid(x: Tensor, y: Tensor, network: HasFeatures) -> Estimate:
    """Frechet distance between the features of two sets of images.

    Args:
        x: First images, more than the network has features.
        y: Second images, likewise.
        network: Where the features come from, such as ``scene_features()``.

    Returns:
        d² in the squared unit of the features, lower is nearer; see ``frechet_distance`` for its
        standard error, which does not contain the bias.

    Raises:
        ArgumentError: If there are no more images than features, saying how many are needed.

    Accuracy:
        Biased upwards, in proportion to 1/n + 1/m.

    Source:
        [heusel2017gans].
    """
    return frechet_distance(*_both(x, y, network))


def fid_floor(
    truth: Tensor,
    network: HasFeatures,
    *,
    num_splits: int = 20,
    generator: torch.Generator | None = None,
) -> Estimate:
    """FID between two halves of one set of true images: what a perfect model would score.

    A set of 2n images gives the floor for a model judged with n images against n.

    Args:
        truth: 2n images of the truth, n more than the network has features.
        network: Where the features come from.
        num_splits: How many times the set is halved at random, ≥ 2.
        generator: Source of randomness on the device of ``truth``.

    Returns:
        Mean over the halvings. In place of the standard error stands the standard deviation of
        one halving, the scale on which a model's distance from the floor is to be read.

    Raises:
        ArgumentError: If half the images are no more than the features, saying how many it takes.

    Accuracy:
        Unbiased for the expected FID of two fresh sets of n images, since the halves share none.
    """
    check_int("num_splits", num_splits, low=2)
    features = extract_features(truth, network)
    half = len(features) // 2
    _check_enough("truth", features, 2 * (features.shape[1] + 1))
    values = []
    for _ in range(num_splits):
        mixed = features[shuffled(len(features), features.device, generator)]
        values.append(frechet_distance(mixed[:half], mixed[half : 2 * half]).value)
    spread = torch.tensor(values, dtype=torch.float64)
    return Estimate(spread.mean().item(), spread.std().item())


def extrapolated_fid(
    x: Tensor,
    y: Tensor,
    network: HasFeatures,
    *,
    num_groups: int = 10,
    generator: torch.Generator | None = None,
) -> Estimate:
    """FID extrapolated to infinitely many images, which removes the bias of order 1/n.

    If FID_n = FID_∞ + c/n, two sample sizes suffice to find FID_∞. Here the images are cut into G
    groups, and the second size is what remains when one group is left out,

        FID_∞ ≈ G FID_n − (G − 1) mean_g FID_{n − n/G without group g},

    which is the jackknife. Chong and Forsyth fit the line in 1/n to more sample sizes.

    Args:
        x: First images.
        y: Second images; both sets lose their g-th group together.
        network: Where the features come from.
        num_groups: G ≥ 2; what is left without one group has to exceed the features.
        generator: Source of randomness on the device of ``x``, for the groups.

    Returns:
        Estimate of FID_∞, negative by chance where the laws are equal, and the jackknife's
        standard error.

    Raises:
        ArgumentError: If too few images are left without a group, saying how many it takes.

    Accuracy:
        Bias of order 1/n². The standard error has relative error 1/√(2(G − 1)), and is up to
        40 % too large where the laws are nearly equal.

    Source:
        [chong2020effectively].
    """
    check_int("num_groups", num_groups, low=2)
    clouds = _both(x, y, network)
    for name, cloud in zip(("x", "y"), clouds, strict=True):
        needed = math.ceil((cloud.shape[1] + 1) * num_groups / (num_groups - 1))
        _check_enough(name, cloud, needed)
    groups = [shuffled(len(c), c.device, generator) % num_groups for c in clouds]
    whole = frechet_distance(*clouds).value
    values = []
    for g in range(num_groups):
        kept_x, kept_y = (c[group != g] for c, group in zip(clouds, groups, strict=True))
        values.append(frechet_distance(kept_x, kept_y).value)
    left = torch.tensor(values, dtype=torch.float64)
    value = num_groups * whole - (num_groups - 1) * left.mean()
    variance = (num_groups - 1) / num_groups * (left - left.mean()).square().sum()
    return Estimate(value.item(), variance.sqrt().item())


def _both(x: Tensor, y: Tensor, network: HasFeatures) -> tuple[Tensor, Tensor]:
    clouds = extract_features(x, network), extract_features(y, network)
    for name, cloud in zip(("x", "y"), clouds, strict=True):
        _check_enough(name, cloud, cloud.shape[1] + 1)
    return clouds


def _check_enough(name: str, features: Tensor, needed: int) -> None:
    count, dim = features.shape
    if count < needed:
        raise ArgumentError(
            f"{name}: expected at least {needed} images for {dim} features, got {count}"
        )
