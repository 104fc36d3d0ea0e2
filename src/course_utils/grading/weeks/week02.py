"""The assignment of week 2: 100 points, of which 90 are judged by machine."""

from course_utils.grading.judges import (
    attention,
    decoding_numbers,
    nucleus,
    text,
    transformer_weights,
)
from course_utils.grading.questions import Criterion, Question

PROVIDED: tuple[str, ...] = ()
"""Modules of the course that a submission may import; here it writes everything itself."""

QUESTIONS = (
    Question(
        id="w02-attention",
        title="Causal attention",
        concept="ar.causal-mask",
        points=15,
        kind="implement",
        answer="causal_attention",
        draw=attention.draw_causal,
        examine=attention.examine_causal,
    ),
    Question(
        id="w02-parameters",
        title="What a Transformer is made of",
        concept="ar.transformer-block",
        points=10,
        kind="compute",
        answer="parameters",
        draw=decoding_numbers.draw_parameters,
        examine=decoding_numbers.examine_parameters,
        handout=decoding_numbers.SIZES,
    ),
    Question(
        id="w02-kv-cache",
        title="One step with a cache",
        concept="ar.kv-cache",
        points=15,
        kind="implement",
        answer="cached_step",
        draw=attention.draw_step,
        examine=attention.examine_step,
    ),
    Question(
        id="w02-transformer",
        title="Down to the entropy, with attention",
        concept="ar.gpt",
        points=15,
        kind="experiment",
        answer="weights_file",
        draw=transformer_weights.draw,
        examine=transformer_weights.examine,
        handout=("tokens",),
    ),
    Question(
        id="w02-nucleus",
        title="The nucleus",
        concept="ar.nucleus",
        points=15,
        kind="implement",
        answer="nucleus",
        draw=nucleus.draw,
        examine=nucleus.examine,
    ),
    Question(
        id="w02-greedy",
        title="Greedy is not the best",
        concept="ar.greedy",
        points=10,
        kind="compute",
        answer="probabilities",
        draw=decoding_numbers.draw_sequences,
        examine=decoding_numbers.examine_sequences,
        handout=decoding_numbers.SEQUENCE_TABLES,
    ),
    Question(
        id="w02-tempered",
        title="Two meanings of temperature",
        concept="ar.temperature",
        points=10,
        kind="compute",
        answer="distance",
        draw=decoding_numbers.draw_tempered,
        examine=decoding_numbers.examine_tempered,
        handout=decoding_numbers.TEMPERED,
    ),
    Question(
        id="w02-decoders",
        title="Which decoder for what?",
        concept="app.text-domains",
        points=10,
        kind="explain",
        answer="explanation",
        draw=text.draw,
        examine=text.examine,
        rubric=(
            Criterion(3, "Cutting the tail helps where the model's errors are improbable words."),
            Criterion(
                3,
                "The most probable text can be bad (short, repetitive), and a wider beam finds it "
                "more surely.",
            ),
            Criterion(
                2, "A grammar mask gives valid texts, but not the model's law of valid texts."
            ),
            Criterion(2, "One purpose with many good answers and one with a single right one."),
        ),
    ),
)
"""The questions of the assignment, in its order."""
