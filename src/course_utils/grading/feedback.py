"""The page a student gets back: what is right, what is not yet, and where to look.

For each question there is its outcome, its points and one sentence: which property failed and on
which kind of input. With hidden inputs that sentence holds no values, because the grader put it
together without any; the page adds only what everybody may know. A text that a person marks comes
with its rubric and room to write.
"""

from course_utils.grading.cards import WORDS, Card
from course_utils.grading.pages import render

_PLACES = {
    "bubblewrap": "a sandbox without network (bubblewrap)",
    "landlock": "a sandbox without network (Landlock)",
    "uid": "a process of another user, with limits",
    "plain": "a process with limits",
}


def feedback_page(card: Card) -> bytes:
    """The page for one submission, in UTF-8.

    Args:
        card: The result, made ready to be shown.
    """
    place = _PLACES.get(card.isolation, "a process of its own")
    return render("feedback.html.j2", card=card, words=WORDS, isolation=place)
