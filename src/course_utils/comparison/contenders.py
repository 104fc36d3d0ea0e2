"""Who is compared, and on what.

A `Contender` is a recipe for a model, not a model: `build` makes it with fresh parameters and
`train` fits it, once for every world. What they are handed is a `Lesson`, which has no test
examples in it, so that no recipe can look at them. A `World` is a recipe for a generative process
whose truth is known; a `DataSet` brings real examples, whose law nobody knows. A `Reference` is
handed the world itself: the truth, or the truth spoilt in a known way.

Everything is a recipe because it is carried out in another process. Functions therefore have to be
importable there: of a module, or ``functools.partial`` of such.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.tasks import absent


@dataclass(frozen=True, eq=False)
class Splits:
    """Examples in three parts that share none: to fit, to choose by, and to judge by.

    Attributes:
        train: What parameters are fitted to, axis 0 the examples.
        validation: What settings and stopping times may be chosen by.
        test: What only metrics see.
    """

    train: Tensor
    validation: Tensor
    test: Tensor


@dataclass(frozen=True, eq=False)
class Lesson:
    """All that a contender may know of a world.

    Attributes:
        train: Training examples.
        validation: Examples to choose settings and stopping times by.
        generator: Source of randomness on their device. PyTorch's global stream, from which layers
            draw their first parameters, is seeded as well.
    """

    train: Tensor
    validation: Tensor
    generator: torch.Generator


@dataclass(frozen=True)
class Contender:
    """A recipe for a model.

    Attributes:
        name: The row's name, one of a kind.
        build: ``build(lesson)`` returns a model with fresh parameters; what it can do is found out
            as in ``tasks``, by its methods ``sample`` and ``log_prob``, or ``elbo``, a lower bound
            on log p(x) in nats per example.
        train: ``train(model, lesson)`` fits it in place. ``None`` if ``build`` did that already.
        network: Dotted name of the part of the model whose calls count as network evaluations;
            ``None`` counts each outermost call of any part.
    """

    name: str
    build: Callable[[Lesson], Any]
    train: Callable[[Any, Lesson], Any] | None = None
    network: str | None = None


@dataclass(frozen=True)
class World:
    """A recipe for a process whose truth is known.

    Attributes:
        name: The column's name, one of a kind.
        build: ``build()`` returns an object with ``sample`` and usually ``log_prob`` and
            ``posterior``.
        device: The device it lives on, and with it the data and the models.
    """

    name: str
    build: Callable[[], Any]
    device: str = "cpu"


@dataclass(frozen=True)
class DataSet:
    """A recipe for real examples; whatever needs the truth is absent here.

    Attributes:
        name: The column's name, one of a kind.
        load: ``load()`` returns ``Splits``; at most the numbers asked for are used, the first ones.
    """

    name: str
    load: Callable[[], Splits]


@dataclass(frozen=True)
class Reference:
    """A row to read the others by, made from the world itself.

    Attributes:
        name: The row's name, one of a kind.
        build: ``build(world)`` returns a sampler; on a ``DataSet`` the world is a ``HeldOut``.
    """

    name: str
    build: Callable[[Any], Any]


def itself(world: Any) -> Any:
    """Return the world: the truth as a row."""
    return world


TRUTH = Reference("truth", itself)
"""The ceiling: the world samples and scores itself. Its sample is independent of the test sample,
so its distances are those of two samples of one law, the noise floor of every metric."""


class HeldOut:
    """Real examples in place of a world: validation examples, in random order.

    They are as good a sample of the unknown law as the test examples, if the two parts were split
    at random.
    """

    log_prob = absent("score", "nobody knows the law of real examples.", "week 12")
    posterior = absent("infer", "nobody knows what is hidden in real examples.", "week 12")
    loss = absent("learn", "real examples have no parameters.", "week 12")

    def __init__(self, examples: Tensor) -> None:
        """Keep ``examples``, axis 0 the examples."""
        self.examples = examples

    def sample(
        self,
        num_samples: int,
        *,
        condition: None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return as many of the examples as there are, at most ``num_samples``, each once."""
        check_int("num_samples", num_samples, low=1)
        uniform = torch.rand(len(self.examples), generator=generator, device=self.examples.device)
        return self.examples[uniform.argsort()[:num_samples]]


def check_splits(name: str, splits: Any) -> Splits:
    """Refuse parts that do not fit together, and a test part that is mostly training examples."""
    if not isinstance(splits, Splits):
        raise ArgumentError(
            f"{name}: expected load() to return Splits, got {type(splits).__name__}"
        )
    event = check_tensor("train", splits.train).shape[1:]
    for part in ("validation", "test"):
        x = getattr(splits, part)
        check_tensor(part, x, shape=("examples", *event), dtype=splits.train.dtype)
        check_tensor(part, x, device=splits.train.device)
    known = {row.tobytes() for row in splits.train.detach().cpu().numpy()}
    test = splits.test.detach().cpu().numpy()
    seen = sum(row.tobytes() in known for row in test)
    if 2 * seen > len(test):
        raise ArgumentError(
            f"{name}: expected test examples held out of training, "
            f"got {seen} of {len(test)} that are in train"
        )
    return splits
