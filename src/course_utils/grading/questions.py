"""A question is data: what it asks for, on which inputs, and how an answer is judged."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["implement", "compute", "experiment", "explain"]
Status = Literal["right", "wrong", "blank", "read"]

PUBLIC_SEED = 0
"""The seed of the instances a notebook sees; a batch grader draws its own."""


class Mistake(Exception):
    """What a judge raises when an answer is wrong.

    Attributes:
        category: A short name such as ``first-factor``; it reveals nothing about the input.
        message: One sentence for the student; it never holds the value asked for.
    """

    def __init__(self, category: str, message: str):
        super().__init__(message)
        self.category = category
        self.message = message


@dataclass(frozen=True)
class Instance:
    """One input on which an answer is judged.

    Attributes:
        name: What is special about it.
        args: The inputs by name, in the order in which an asked-for function takes them.
        weight: Share of the question's points, 0 to 1; the shares of a question sum to 1.
    """

    name: str
    args: dict[str, Any]
    weight: float = 1.0


@dataclass(frozen=True)
class Criterion:
    """One line of the rubric of a free-text question."""

    points: int
    text: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of judging an answer.

    Attributes:
        fraction: Share of the points earned, 0 to 1.
        message: One sentence for the student.
        status: ``right``, ``wrong``, ``blank`` (nothing there yet) or ``read`` (a text that a
            person has to mark).
        mistake: Category of the mistake; empty if there is none.
    """

    fraction: float
    message: str
    status: Status
    mistake: str = ""


Examiner = Callable[[Any, Instance], Verdict]


def right(message: str, fraction: float = 1.0) -> Verdict:
    """The verdict of an examiner that found nothing wrong."""
    return Verdict(fraction, message, "right")


@dataclass(frozen=True)
class Question:
    """A question of an assignment.

    Attributes:
        id: Such as ``w01-log-prob``.
        title: A few words.
        concept: Id of the concept in ``book/concepts.csv`` that it exercises.
        points: Points of the assignment's 100.
        kind: What is handed in: a function, a number, weights or a text.
        draw: Returns the instances for a seed. Questions about one fixed thing ignore the seed.
        examine: Returns a verdict for an answer on one instance, or raises ``Mistake``.
        rubric: How a text is marked; empty for all other kinds.
    """

    id: str
    title: str
    concept: str
    points: int
    kind: Kind
    draw: Callable[[int], list[Instance]]
    examine: Examiner
    rubric: tuple[Criterion, ...] = field(default=())

    def instances(self, seed: int = PUBLIC_SEED) -> list[Instance]:
        """The inputs on which an answer is judged, the same for the same seed."""
        return self.draw(seed)

    def judge(self, answer: Any, instance: Instance) -> Verdict:
        """Judge an answer on one instance; never raises on account of the answer."""
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            return Verdict(0.0, "nothing is answered here yet.", "blank", "blank")
        try:
            return self.examine(answer, instance)
        except Mistake as mistake:
            status = "blank" if mistake.category == "blank" else "wrong"
            return Verdict(0.0, mistake.message, status, mistake.category)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            message = f"the answer could not be judged: it led to {reason}"
            return Verdict(0.0, message, "wrong", "unusable")

    def assess(self, answer: Any, seed: int = PUBLIC_SEED) -> Verdict:
        """Judge an answer on all instances of a seed.

        Returns:
            The share of the points earned, with the sentence on the first instance it fails.
        """
        instances = self.instances(seed)
        verdicts = [self.judge(answer, instance) for instance in instances]
        pairs = zip(verdicts, instances, strict=True)
        earned = round(sum(v.fraction * i.weight for v, i in pairs), 6)
        first = next((v for v in verdicts if v.status != "right"), verdicts[0])
        return Verdict(earned, first.message, first.status, first.mistake)
