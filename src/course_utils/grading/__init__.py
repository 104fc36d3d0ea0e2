"""Assignments that tell right from wrong at once, with a sentence that helps.

In a notebook two functions are all there is:

    given("w01-entropy-rate")               the data of a question
    check("w01-entropy-rate", my_answer)    right or wrong, why, and the points so far

A question (``questions.Question``) is data: id, concept, points, kind, public instances drawn from
a seed, and a judge that turns an answer and an instance into a ``Verdict``. A judge computes the
truth by enumeration, never with the implementation the course teaches, and names a mistake by
comparing the answer with what known mistakes would give (``suspects``). Whoever grades in batch
calls ``Question.assess(answer, seed)`` with a seed of their own and, for hidden instances, shows
``Verdict.discreet()``, which names the property that failed and the kind of input, and no value.

In batch (``python -m course_utils.grading``) a submission never shares a process with any of this:

    submissions, magics     read what was handed in
    engine                  one submission: run it in a sandbox, judge what it answers
    sandbox and its kin     isolation, limits, warden, enter, landlock
    wire, remote, child     what travels between the two sides, and what runs on the other
    batch, workers, results many submissions, resumed where they stopped
    reports and its kin     feedback pages, class summary, Gradescope
"""

from course_utils.grading.notebook import check, given, standing
from course_utils.grading.questions import Criterion, Instance, Question, Verdict
from course_utils.grading.weeks import find_question

__all__ = [
    "Criterion",
    "Instance",
    "Question",
    "Verdict",
    "check",
    "find_question",
    "given",
    "standing",
]
