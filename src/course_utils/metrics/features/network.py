"""A classifier whose last hidden layer is worth looking at.

Distances between sets of images are taken between their features: a few numbers per image that say
what it shows and forget what does not matter. The usual features are the last hidden layer of an
image classifier, here a small one,

    image -> two convolutions of stride 2 -> features h (32 numbers) -> one softmax for each label.

A network that is only asked what an image shows may ignore how noisy it is, and then no distance
between its features tells good images from noisy ones. Here every training image gets noise of a
level drawn at random, and the level is one more label to be told from the same 32 numbers.

Distances need a unit. Each feature is shifted and scaled to mean 0 and variance 1 over the noisy
training images, by batch normalisation as the last layer. And no feature may be the same for all
images of a set, or its covariance is singular: hence the leak in the last non-linearity.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int, check_number, check_tensor

NUM_FEATURES = 32
"""Size of a feature vector."""

NOISE = "noise"
"""Name of the output that guesses how much noise was added."""

_CHANNELS = (16, 32)
_LEAK = 0.1


class FeatureNetwork(nn.Module):
    """Classifier of square grey images with one softmax for each label, and their noise's level.

    Args:
        size: Height and width of the images in pixels, ≥ 4.
        labels: Name of each label and how many values it has, in the order of the classes.
        noise_levels: Standard deviations of the noise trained on, in the unit of the images.
        scale: White, the brightness that is divided by before the first layer, > 0.
    """

    def __init__(
        self, size: int, labels: Mapping[str, int], noise_levels: tuple[float, ...], scale: float
    ):
        super().__init__()
        self.size = check_int("size", size, low=4)
        self.scale = check_number("scale", scale, low=0, open_low=True)
        self.noise_levels = tuple(check_number("noise_levels", s, low=0) for s in noise_levels)
        self.labels = dict(labels)
        first, second = _CHANNELS
        pixels_left = math.ceil(size / 4) ** 2
        self.body = nn.Sequential(
            nn.Conv2d(1, first, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(second * pixels_left, NUM_FEATURES),
            nn.LeakyReLU(_LEAK),
            nn.BatchNorm1d(NUM_FEATURES, affine=False),
        )
        values = {**self.labels, NOISE: len(noise_levels)}
        self.heads = nn.ModuleDict({n: nn.Linear(NUM_FEATURES, k) for n, k in values.items()})

    def features(
        self, x: Float[Tensor, "batch size size"] | Int[Tensor, "batch size size"]
    ) -> Float[Tensor, "batch dim"]:
        """Features h(x), the last hidden layer.

        Args:
            x: Images in the unit of the training images, real or whole numbers.

        Returns:
            32 features for each image, in standard deviations of the training images, in the
            weights' dtype.

        Raises:
            ArgumentError: One line: which argument, what was expected, what came.
        """
        weight = next(self.parameters())
        shape = ("batch", self.size, self.size)
        check_tensor("x", x, shape=shape, device=weight.device)
        return self.body(x.to(weight.dtype).unsqueeze(1) / self.scale)

    def label_probabilities(
        self, x: Float[Tensor, "batch size size"] | Int[Tensor, "batch size size"]
    ) -> dict[str, Float[Tensor, "batch values"]]:
        """Probabilities p(label | x) of each label by name; ``"noise"`` is the noise level.

        Args:
            x: Images as for ``features``.

        Returns:
            For each label its values' probabilities, which sum to one.

        Raises:
            ArgumentError: One line: which argument, what was expected, what came.

        Accuracy:
            That of the trained network, stored beside its weights.
        """
        h = self.features(x)
        return {name: head(h).softmax(-1) for name, head in self.heads.items()}

    def probabilities(
        self, x: Float[Tensor, "batch size size"] | Int[Tensor, "batch size size"]
    ) -> Float[Tensor, "batch classes"]:
        """Probabilities p(class | x), a class being a value of every label at once.

        With several labels it is the product Π p(label | x), as if they were independent given the
        image; the last label runs fastest. The noise level is no part of the class.

        Args:
            x: Images as for ``features``.

        Returns:
            Probabilities, which sum to one over the classes.

        Raises:
            ArgumentError: One line: which argument, what was expected, what came.
        """
        by_label = self.label_probabilities(x)
        joint = by_label[next(iter(self.labels))]
        for name in list(self.labels)[1:]:
            joint = (joint.unsqueeze(-1) * by_label[name].unsqueeze(1)).flatten(1)
        return joint

    def loss(
        self, batch: tuple[Float[Tensor, "batch size size"], Int[Tensor, "batch labels"]]
    ) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropy of every label and their sum ``total``, on images with fresh noise.

        Args:
            batch: Images without noise, and the values of their labels in the network's order.

        Returns:
            Nats per image; the noise comes from PyTorch's global stream.
        """
        images, values = batch
        deviations = torch.tensor(self.noise_levels, dtype=images.dtype, device=images.device)
        level = torch.randint(len(deviations), (len(images),), device=images.device)
        noisy = images + deviations[level, None, None] * torch.randn_like(images)
        h = self.features(noisy)
        terms = {
            name: functional.cross_entropy(self.heads[name](h), target)
            for name, target in zip(self.heads, [*values.unbind(1), level], strict=True)
        }
        return {"total": torch.stack(list(terms.values())).sum(), **terms}
