"""BLEU and chrF beside sacrebleu. Ours with the bootstrap's standard error, sacrebleu's without."""

import random

from benchmarks.race import Program, Work
from course_utils.metrics.text import bleu, chrf

LEXICON = "a the small large dim bright red blue disc cross square left right of above and near"


def _corpus(num_lines: int) -> tuple[list[str], list[str]]:
    rng, words = random.Random(0), LEXICON.split()
    references = [" ".join(rng.choices(words, k=rng.randint(6, 24))) for _ in range(num_lines)]
    hypotheses = [
        " ".join(rng.choice(words) if rng.random() < 0.2 else word for word in line.split())
        for line in references
    ]
    return hypotheses, references


def _bleu() -> tuple[Program, Program]:
    import sacrebleu

    hypotheses, references = _corpus(1000)
    return (
        lambda: bleu(hypotheses, references, num_resamples=200).score.value,
        lambda: sacrebleu.corpus_bleu(hypotheses, [references], tokenize="none").score,
    )


def _chrf() -> tuple[Program, Program]:
    import sacrebleu

    hypotheses, references = _corpus(1000)
    return (
        lambda: chrf(hypotheses, references, num_resamples=200).value,
        lambda: sacrebleu.corpus_chrf(hypotheses, [references]).score,
    )


WORK = (
    Work("bleu", "corpus BLEU of 1000 lines, 200 resamples", "sacrebleu", _bleu),
    Work("chrf", "corpus chrF of 1000 lines, 200 resamples", "sacrebleu", _chrf),
)
