"""What a metric sees, and what it answers.

A metric says what it needs, and is given that and no more: training examples come only to a metric
that asks for them by name, which is how memorisation is measured and nothing else. If a model or a
world cannot supply what is needed the answer is *absent*, with the reason that `Intractable` gives;
if the metric refuses (too few samples, NaN) or breaks the answer is *failed*, with its one line.
Neither is a number, so neither can be averaged or ranked by accident.
"""

import math
import pydoc
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.metrics.likelihood import Estimate
from course_utils.tasks import CAPABILITIES, METHODS, Answer, Intractable, can

Better = Literal["lower", "higher", "neither"]
"""Whether less or more of a metric is the better, if either is."""

Need = Literal["samples", "score", "world score", "world posterior", "train"]
"""What a metric asks of a model, of the world or of the data."""

NEEDS = ("samples", "score", "world score", "world posterior", "train")
"""All values of ``Need``."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a metric may look at.

    Attributes:
        model: The trained model, in evaluation mode.
        samples: Its samples, axis 0 the examples; ``None`` unless needed.
        test: Examples of the world that no contender has seen.
        world: The world; a ``HeldOut`` in a real data set.
        train: Training examples; ``None`` unless needed.
        generator: Source of randomness, the same for every model of a world.
    """

    model: Any
    samples: Tensor | None
    test: Tensor
    world: Any
    train: Tensor | None
    generator: torch.Generator


@dataclass(frozen=True)
class Reading:
    """The answer of a metric.

    Attributes:
        value: The number.
        standard_error: How far chance moves it; NaN if unknown, 0 if not at all.
        mark: ``"exact"`` (chance in the test examples apart), ``"bound"``: the truth is at least
            as good, or ``"estimate"``.
    """

    value: float
    standard_error: float
    mark: Answer


@dataclass(frozen=True)
class Metric:
    """A recipe for one column of numbers.

    Attributes:
        name: One of a kind.
        unit: Such as ``"nats"``; empty for a pure number.
        better: ``"lower"``, ``"higher"`` or ``"neither"``.
        needs: Some of ``"samples"``, ``"score"`` (``log_prob`` or ``elbo`` of the model),
            ``"world score"``, ``"world posterior"`` and ``"train"``.
        compute: ``compute(evidence)`` returns a ``Reading``, or an ``Estimate`` or a number, which
            are marked ``"estimate"``.
    """

    name: str
    unit: str
    better: Better
    needs: Set[Need]
    compute: Callable[[Evidence], Reading | Estimate | float]

    def __post_init__(self) -> None:
        """Freeze ``needs``."""
        object.__setattr__(self, "needs", frozenset(self.needs))

    def read(self, evidence: Evidence) -> Reading:
        """Return the answer; ``Intractable`` if the evidence cannot have what is needed."""
        if "score" in self.needs and not _can_score(evidence.model):
            _demand(evidence.model, "score")
        for need, task in (("world score", "score"), ("world posterior", "infer")):
            if need in self.needs and not can(evidence.world, task):
                _demand(evidence.world, task)
        if "samples" in self.needs and not can(evidence.model, "sample"):
            _demand(evidence.model, "sample")
        answer = self.compute(evidence)
        if isinstance(answer, Reading):
            return answer
        if isinstance(answer, Estimate):
            return Reading(answer.value, answer.standard_error, "estimate")
        return Reading(float(answer), math.nan, "estimate")


def log_scores(model: Any, x: Tensor) -> tuple[Float[Tensor, " batch"], Answer]:
    """log p(x) of each example, or its lower bound, and which of them it is.

    The mark of a family listed in ``tasks.CAPABILITIES`` is the one written there; else
    ``log_prob`` is taken to be exact, and ``elbo`` to be a bound.

    Args:
        model: Has ``log_prob`` or ``elbo``.
        x: Examples, scored 1000 at a time.

    Returns:
        Nats per example, float64, and the mark.
    """
    exact = can(model, "score")
    score = model.log_prob if exact else model.elbo
    with torch.no_grad():
        values = torch.cat([score(part).double() for part in x.split(1000)])
    return values, _listed_mark(model) if exact else "bound"


def _can_score(model: Any) -> bool:
    return can(model, "score") or callable(getattr(model, "elbo", None))


def _listed_mark(model: Any) -> Answer:
    for row in CAPABILITIES:
        named_alike = row.symbol.rpartition(".")[2] == type(model).__name__
        if named_alike and pydoc.locate(row.symbol) is type(model):
            return row.score
    return "exact"


def _demand(subject: Any, task: str) -> None:
    """Raise the subject's own ``Intractable``, or one that says what it lacks."""
    method = getattr(subject, METHODS[task], None)
    if callable(method):
        method(None)
    raise Intractable(
        f"{type(subject).__name__} cannot {task}: it has no method {METHODS[task]}. See week 12."
    )
