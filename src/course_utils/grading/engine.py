"""Grade one submission: run it where it can do no harm, and judge what it answers.

    grade_submission(Path("ada.ipynb"), "week03", seed=7)

The questions, the true values and every comparison stay in this process. The submission runs in a
sandbox, in a process that holds two of this package's files, what the week provides, and none of
the judges. Its cells are sent one by one. Then each question gets its own copy of that process and
the judge calls the answer through it.

A cell or a question that ends the process, is late or breaks the protocol is left out. The process
is started anew without it, so that everything else is still graded. That is why every step is
named before it is taken: the one that was being taken is the one to blame.
"""

import builtins
import contextlib
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from course_utils.grading.limits import Limits
from course_utils.grading.provisions import provisions
from course_utils.grading.questions import PUBLIC_SEED, Question, Verdict
from course_utils.grading.remote import Lost, Session, StudentError
from course_utils.grading.sandbox import SandboxError, choose, launch
from course_utils.grading.submissions import Submission, read_submission
from course_utils.grading.weeks import provided_in, questions_of, week_key

SHARE = 4
"""One cell, or all calls of one question, may use this part of the time, as a divisor."""

PATIENCE = 2
"""A submission may use this multiple of the time on the clock, repetitions included."""

_FOR_A_PERSON = "written; a person marks it by the rubric."
_CAUSES = {
    "wall": "it ran past its time limit",
    "cpu": "it ran past its time limit",
    "memory": "it used more memory than allowed",
    "processes": "it started more processes than allowed",
    "output": "it printed more than allowed",
    "disk": "it wrote more to disk than allowed",
    "protocol": "it interfered with the grader",
    "signal 6": "it aborted",
    "signal 9": "it was killed",
    "signal 11": "it crashed",
}
"""In a fixed set of words: a number of the student's choice could carry a hidden value out.

A loop without end meets the limits of the clock and of the processor at about the same moment, so
both are told alike: two runs must not differ by which came first.
"""


def grade_submission(
    path: Path,
    week: str,
    *,
    seed: int = PUBLIC_SEED,
    isolation: str = "auto",
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Grade one notebook or script.

    Args:
        path: A ``.ipynb`` or ``.py`` file.
        week: Such as ``"week01"`` or ``"w01"``.
        seed: Of the instances; with another than the public one messages show no hidden values.
        isolation: ``"auto"`` or the name of a kind of isolation, see ``sandbox``.
        limits: One cell, or all calls of one question, may use a quarter of the time; no cell and
            no question begins when the submission has used twice the time on the clock.

    Returns:
        ``assignment, submission, sha256, score, max_score, isolation, seed, seconds, questions
        {id: {kind, score, max_score, message, mistake}}, notes``, fit to be written as JSON.

    Raises:
        ArgumentError: There is no such week.
        SandboxError: The isolation is not to be had, or Python does not start in it.
    """
    began = time.monotonic()
    questions = questions_of(week)
    level = choose(isolation)
    submission = read_submission(path)
    deadline = began + PATIENCE * limits.wall_seconds
    grading = _Grading(submission, questions, provided_in(week), seed, level, limits, deadline)
    marks = grading.marks()
    return {
        "assignment": f"week{week_key(week)[1:]}",
        "submission": submission.name,
        "sha256": submission.sha256,
        "score": round(sum(mark["score"] for mark in marks.values()), 6),
        "max_score": sum(question.points for question in questions),
        "isolation": level,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 2),
        "questions": marks,
        "notes": grading.notes,
    }


@dataclass
class _Grading:
    """One submission on its way to its marks.

    Attributes:
        submission: What was handed in.
        questions: What was asked for.
        provided: The course's modules that it may import.
        seed: Of the instances.
        isolation: As ``sandbox.choose`` gave it.
        limits: For the submission.
        deadline: By the monotonic clock; no cell and no question begins after it.
        left_out: Numbers of the cells that are not run again.
        troubles: Category and sentence for each cell that was left out or stopped, by number.
        notes: One sentence for each thing that happened on the way.
    """

    submission: Submission
    questions: Sequence[Question]
    provided: tuple[str, ...]
    seed: int
    isolation: str
    limits: Limits
    deadline: float
    left_out: set[int] = field(default_factory=set)
    troubles: dict[int, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def marks(self) -> dict[str, dict[str, Any]]:
        """Grade all questions, with as many processes as it takes until the deadline."""
        self.notes += self.submission.notes
        done: dict[str, dict[str, Any]] = {}
        if not self.submission.cells:
            done = {question.id: self._judged(question, None) for question in self.questions}
        while len(done) < len(self.questions) and not self._late():
            with self._session() as session:
                if not self._run_cells(session):
                    continue
                for question in self.questions:
                    if question.id in done:
                        continue
                    if self._late() or not self._grade(session, question, done):
                        break
        for question in self.questions:
            if question.id not in done:
                text = "not graded: the time for this submission was used up."
                done[question.id] = _mark(question, Verdict(0.0, text, "wrong", "left-out"))
        return {question.id: done[question.id] for question in self.questions}

    def _late(self) -> bool:
        """Whether the submission has used its time."""
        return time.monotonic() >= self.deadline

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        """A fresh process in a sandbox, which has imported torch and knows the data."""
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o711)
            (folder / "scratch").mkdir()
            supplies = provisions(self.provided)
            process = stack.enter_context(
                launch(
                    [],
                    scratch=folder / "scratch",
                    readable=[supplies.folder],
                    limits=self.limits,
                    isolation=self.isolation,
                    server=supplies.server,
                )
            )
            limits = self.limits
            session = Session(process, limits.cpu_seconds / SHARE, limits.wall_seconds / SHARE)
            data = {question.id: question.data(self.seed) for question in self.questions}
            variables = {question.id: question.answer for question in self.questions}
            try:
                alone = self.isolation == "bubblewrap"
                session.start(data, variables, limits.wall_seconds, alone=alone)
            except Lost as lost:
                last = (process.stderr_tail().strip().splitlines() or [""])[-1]
                raise SandboxError(
                    f"Python does not start in the sandbox: {lost.cause} {last}"
                ) from None
            yield session

    def _run_cells(self, session: Session) -> bool:
        """Run all cells but those left out; say whether the process survived them."""
        for number, source in enumerate(self.submission.cells, start=1):
            if number in self.left_out:
                continue
            if self._late():
                return False
            try:
                error = session.run_cell(number, source)
            except Lost as lost:
                self.left_out.add(number)
                self._trouble(number, "left-out", f"was left out: {_because(lost)}")
                return False
            if error is not None:
                self._trouble(number, "exception", f"stopped: {_kind_of(error)}")
        return True

    def _grade(self, session: Session, question: Question, done: dict[str, Any]) -> bool:
        """Put the mark of one question into ``done``; say whether the process survived."""
        try:
            with session.question(question.id, is_file=question.kind == "experiment") as answer:
                done[question.id] = self._judged(question, answer)
        except Lost as lost:
            text = f"left out: when the answer was used, {_because(lost)}."
            done[question.id] = _mark(question, Verdict(0.0, text, "wrong", "left-out"))
            self._note(f"{question.id} was left out: {_because(lost)}.")
            return not lost.entirely
        except StudentError as error:
            text = f"the answer cannot be read: {_kind_of(error)}."
            done[question.id] = _mark(question, Verdict(0.0, text, "wrong", "unusable"))
        return True

    def _judged(self, question: Question, answer: Any) -> dict[str, Any]:
        verdict = question.assess(answer, self.seed)
        if verdict.status == "blank" and (found := self._reason_missing(question.id)):
            return _mark(question, Verdict(0.0, found[1], "wrong", found[0]))
        if verdict.status == "read":
            return _mark(question, replace(verdict, message=_FOR_A_PERSON))
        if self.seed != PUBLIC_SEED:
            verdict = replace(verdict, message=verdict.discreet())
        return _mark(question, verdict)

    def _reason_missing(self, question: str) -> tuple[str, str] | None:
        """Why there is no answer: what happened to the cell that names the question."""
        quoted = re.compile(rf"""["']{re.escape(question)}["']""")
        for number, trouble in self.troubles.items():
            if quoted.search(self.submission.cells[number - 1]):
                return trouble
        return None

    def _trouble(self, number: int, category: str, text: str) -> None:
        self.troubles[number] = (category, f"code cell {number} {text}.")
        self._note(f"code cell {number} {text}.")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _mark(question: Question, verdict: Verdict) -> dict[str, Any]:
    return {
        "kind": question.kind,
        "score": round(verdict.fraction * question.points, 6),
        "max_score": question.points,
        "message": verdict.message,
        "mistake": verdict.mistake,
    }


def _because(lost: Lost) -> str:
    """Why a step was given up, as a clause."""
    return _CAUSES.get(lost.cause, "it ended the process")


def _kind_of(error: StudentError) -> str:
    """An error in a few words, without its text: that could hold anything."""
    name = type(error).__name__
    known = name if isinstance(getattr(builtins, name, None), type) else "an error of its own"
    return known if error.line is None else f"{known} in line {error.line}"
