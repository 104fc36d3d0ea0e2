"""The assignment of week 1: 100 points, of which 90 are judged by machine."""

from course_utils.grading.judges import chain, counts, markov_weights, masks, nade, quantities, text
from course_utils.grading.questions import Criterion, Question

PROVIDED: tuple[str, ...] = ()
"""Modules of the course that a submission may import; here it writes everything itself."""

QUESTIONS = (
    Question(
        id="w01-log-prob",
        title="The chain rule, exactly",
        concept="ar.base-class",
        points=15,
        kind="implement",
        answer="log_prob",
        draw=chain.draw,
        examine=chain.examine,
    ),
    Question(
        id="w01-ngram",
        title="Counting with smoothing",
        concept="ar.ngram",
        points=15,
        kind="implement",
        answer="ngram_table",
        draw=counts.draw,
        examine=counts.examine,
    ),
    Question(
        id="w01-entropy-rate",
        title="The floor of the loss",
        concept="ar.markov-chain",
        points=10,
        kind="compute",
        answer="entropy_rate",
        draw=quantities.draw_entropy_rate,
        examine=quantities.examine_entropy_rate,
        handout=("transition",),
    ),
    Question(
        id="w01-units",
        title="Nats, bits per dimension, perplexity",
        concept="ar.conditional-heads",
        points=10,
        kind="compute",
        answer="units",
        draw=quantities.draw_units,
        examine=quantities.examine_units,
        handout=quantities.UNIT_DATA,
    ),
    Question(
        id="w01-made-masks",
        title="Masks for any order",
        concept="flow.made",
        points=15,
        kind="implement",
        answer="made_masks",
        draw=masks.draw,
        examine=masks.examine,
    ),
    Question(
        id="w01-nade",
        title="NADE in O(dH)",
        concept="ar.nade",
        points=15,
        kind="implement",
        answer="nade_log_prob",
        draw=nade.draw,
        examine=nade.examine,
    ),
    Question(
        id="w01-markov",
        title="Down to the entropy rate",
        concept="ar.neural-lm",
        points=10,
        kind="experiment",
        answer="weights_file",
        draw=markov_weights.draw,
        examine=markov_weights.examine,
        handout=("tokens",),
    ),
    Question(
        id="w01-orderings",
        title="When does the order matter?",
        concept="ar.ordering",
        points=10,
        kind="explain",
        answer="explanation",
        draw=text.draw,
        examine=text.examine,
        rubric=(
            Criterion(3, "The chain rule holds for every order, so tables give the same joint."),
            Criterion(
                3,
                "A restricted conditional drops a dependence; the loss is a KL or a sum "
                "of conditional mutual informations.",
            ),
            Criterion(2, "An example in which one order loses nothing and another does."),
            Criterion(2, "What a fixed order costs in use: sampling, filling in, or choosing it."),
        ),
    ),
)
"""The questions of the assignment, in its order."""
