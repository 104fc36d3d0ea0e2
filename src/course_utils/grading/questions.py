"""A question is data: what it asks for, on which inputs, and how an answer is judged."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from course_utils.arguments import check_int

Kind = Literal["implement", "compute", "experiment", "explain"]
"""What a question asks for."""

Status = Literal["right", "wrong", "blank", "read"]
"""What is known of an answer; ``read`` is one that a person marks."""

PUBLIC_SEED = 0
"""The seed of the instances a notebook sees; a batch grader draws its own."""

MAX_SEED = 2**62
"""Seeds lie below this."""


class Mistake(Exception):
    """What a judge raises when an answer is wrong.

    Attributes:
        category: A short name such as ``first-factor``; it reveals nothing about the input.
        message: One sentence for the student; it never holds the value asked for.
        plain: The same without anything that depends on the input, for hidden instances. Without
            it a general sentence on the category serves.
    """

    def __init__(self, category: str, message: str, plain: str = ""):
        super().__init__(message)
        self.category = category
        self.message = message
        self.plain = plain or plain_sentence(category)


_PLAIN = {
    "blank": "nothing is answered here yet.",
    "dtype": "the result holds another type of numbers than asked for.",
    "exception": "it raises an error on this kind of input.",
    "missing-file": "there is no file of the name that was given: save it first.",
    "missing-tensor": "the file lacks a tensor that the question names.",
    "mutation": "it changes an input in place: work on a copy.",
    "nan": "the result holds NaN or infinite values.",
    "not-a-function": "expected the function itself: pass its name, without calling it.",
    "not-safetensors": "the file cannot be read as safetensors.",
    "other": "the result differs from the truth.",
    "overflow": "the result is NaN or infinite here: numbers overflow or vanish on the way.",
    "random": "two calls on the same input give different results.",
    "shape": "the result has another shape than asked for.",
    "signature": "it does not take the arguments of the signature that was given.",
    "size": "what was handed in is larger than allowed.",
    "type": "the answer is of another kind than asked for.",
    "unusable": "the answer could not be judged.",
}
"""A sentence for each category of mistake that any question can meet."""


def plain_sentence(category: str) -> str:
    """A sentence on a category of mistake that says nothing about the input."""
    return _PLAIN.get(category, f"the answer is wrong ({category}).")


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
        plain: The sentence without anything that depends on the input.
        where: Name of the instance that it is about: the kind of input.
    """

    fraction: float
    message: str
    status: Status
    mistake: str = ""
    plain: str = ""
    where: str = ""

    def discreet(self) -> str:
        """The sentence for hidden instances: the kind of input and of mistake, and no values."""
        if self.status == "right":
            return "right on every kind of input."
        if self.status == "blank":
            return self.plain
        if self.status == "read":
            return self.message
        opening = "" if self.plain.startswith(self.where) else f"{self.where}: "
        return opening + self.plain


Examiner = Callable[[Any, Instance], Verdict]
"""Judges an answer on one instance, and raises ``Mistake`` when it is wrong."""


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
        kind: What is handed in: a function, a number, a file of weights or a text. The file comes
            as its bytes: a judge never opens a path that a student named.
        answer: Name of the variable under which the answer stands in the student's notebook.
        draw: Returns the instances for a seed. Only a free text has none to draw.
        examine: Returns a verdict for an answer on one instance, or raises ``Mistake``.
        handout: Names of the inputs that ``given`` shows, for a question about data that follow
            the seed; the judge keeps the others, such as the law the data were drawn from.
        rubric: How a text is marked; empty for all other kinds.
    """

    id: str
    title: str
    concept: str
    points: int
    kind: Kind
    answer: str
    draw: Callable[[int], list[Instance]]
    examine: Examiner
    handout: tuple[str, ...] = field(default=())
    rubric: tuple[Criterion, ...] = field(default=())

    def instances(self, seed: int = PUBLIC_SEED) -> list[Instance]:
        """The inputs on which an answer is judged, the same for the same seed.

        Raises:
            ArgumentError: The seed is not a whole number from 0 to ``MAX_SEED``.
        """
        return self.draw(check_int("seed", seed, low=0, high=MAX_SEED))

    def data(self, seed: int = PUBLIC_SEED) -> dict[str, Any]:
        """What ``given`` returns for this question, by name.

        A question with a ``handout`` shows that part of the seed's data. Any other shows its
        public example, whatever the seed: the inputs a function is judged on stay hidden.
        """
        if not self.handout:
            return self.instances(PUBLIC_SEED)[0].args
        args = self.instances(seed)[0].args
        return {name: args[name] for name in self.handout}

    def judge(self, answer: Any, instance: Instance) -> Verdict:
        """Judge an answer on one instance; never raises on account of the answer."""
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            return Verdict(0.0, _PLAIN["blank"], "blank", "blank", _PLAIN["blank"])
        try:
            return self.examine(answer, instance)
        except Mistake as mistake:
            status = "blank" if mistake.category == "blank" else "wrong"
            return Verdict(0.0, mistake.message, status, mistake.category, mistake.plain)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            message = f"the answer could not be judged: it led to {reason}"
            return Verdict(0.0, message, "wrong", "unusable", _PLAIN["unusable"])

    def assess(self, answer: Any, seed: int = PUBLIC_SEED) -> Verdict:
        """Judge an answer on all instances of a seed.

        Returns:
            The share of the points earned, with the sentence on the first instance it fails.
        """
        instances = self.instances(seed)
        verdicts = [self.judge(answer, instance) for instance in instances]
        pairs = list(zip(verdicts, instances, strict=True))
        earned = round(sum(v.fraction * i.weight for v, i in pairs), 6)
        first, instance = next((p for p in pairs if p[0].status != "right"), pairs[0])
        return replace(first, fraction=earned, where=instance.name)
