"""How the two feature networks were trained; a minute and a half on one slow core repeats it.

The weights that come with the course are the output of

    python -m course_utils.metrics.features scenes --out features_scenes.safetensors
    python -m course_utils.metrics.features digits --out features_digits.safetensors

Both networks are judged on images they have not seen: scenes with fresh noise, and the digits' test
part. Neither the digits' test part nor their validation part is used for training. The stored
networks name 97 % of the test digits, by writers they have not seen, and 97 % of the scenes, all
five factors right, where the exact posterior names 99 %. That is good enough for features; a number
that needs probabilities of scenes should take them from the world itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.datasets.images import NUM_LEVELS, digits
from course_utils.metrics.features.network import FeatureNetwork
from course_utils.training import FitResult, fit
from course_utils.worlds.scenes import GaussianScenes, Scenes
from course_utils.worlds.scenes.factors import FACTORS

SCENE_NOISE = (0.05, 0.15, 0.3, 0.6)
"""Standard deviations of the noise on scenes."""

DIGIT_NOISE = (0.3, 1.0, 2.0, 4.0)
"""Standard deviations of the noise on digits, in grey levels."""

_WHITE = NUM_LEVELS - 1

Labelled = tuple[Float[Tensor, "n size size"], Int[Tensor, "n labels"]]
"""Pictures and what is to be said of each."""


@dataclass(frozen=True)
class Recipe:
    """What it takes to make one feature network.

    Attributes:
        network: Makes the network, its weights drawn from PyTorch's global stream.
        training_data: Images without noise, and the values of their labels.
        held_out: From a generator, images not trained on and the class of each.
        num_steps: Updates of the stored weights.
        learning_rate: The schedule's peak.
        batch_size: Images for each update.
    """

    network: Callable[[], FeatureNetwork]
    training_data: Callable[[], Labelled]
    held_out: Callable[[torch.Generator], tuple[Tensor, Int[Tensor, " n"]]]
    num_steps: int
    learning_rate: float = 5e-3
    batch_size: int = 200

    def train(self, seed: int, num_steps: int | None = None) -> tuple[FeatureNetwork, FitResult]:
        """Make the network anew; all randomness follows from ``seed``.

        Args:
            seed: Any whole number.
            num_steps: Updates to make instead of the recipe's.

        Returns:
            The network on the CPU, in evaluation mode, and what ``fit`` reports.
        """
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.network()
        result = fit(
            network,
            self.training_data(),
            num_steps=self.num_steps if num_steps is None else num_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            generator=generator,
        )
        return network, result

    def accuracy(self, network: FeatureNetwork, generator: torch.Generator) -> float:
        """Share of held-out images whose class the network names correctly, 0 to 1."""
        images, classes = self.held_out(generator)
        with torch.no_grad():
            named = network.probabilities(images).argmax(1)
        return (named == classes).double().mean().item()


def _scene_network() -> FeatureNetwork:
    labels = {name: len(values) for name, values in FACTORS.items()}
    return FeatureNetwork(Scenes().size, labels, SCENE_NOISE, scale=1.0)


def _digit_network() -> FeatureNetwork:
    return FeatureNetwork(8, {"digit": 10}, DIGIT_NOISE, scale=float(_WHITE))


def _scene_data() -> Labelled:
    scenes = Scenes()
    return scenes.renderings, scenes.factors


def _digit_data() -> Labelled:
    """The train part, each image also moved by up to one pixel in either direction."""
    data = digits()
    padded = torch.nn.functional.pad(data.train.float(), (1, 1, 1, 1))
    moved = [padded[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    return torch.cat(moved), data.train_labels.repeat(9)[:, None]


def _fresh_scenes(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return GaussianScenes().sample_with_index(4000, generator=generator)


def _test_digits(_: torch.Generator) -> tuple[Tensor, Tensor]:
    data = digits()
    return data.test, data.test_labels


RECIPES = {
    "scenes": Recipe(_scene_network, _scene_data, _fresh_scenes, 10_000),
    "digits": Recipe(_digit_network, _digit_data, _test_digits, 3_000, learning_rate=2e-3),
}
"""How each of the stored networks was trained."""
