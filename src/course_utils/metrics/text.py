"""How much of a reference text does a generated text repeat?

Both numbers here compare pieces of a hypothesis, a generated segment, with pieces of one or more
references for the same segment. A piece is counted at most as often as a reference holds it, so
that "the the the" earns no more than one "the". What they reward is agreement in wording: a true
paraphrase scores low and a fluent falsehood high, which is why they rank systems on one test set
and say nothing alone.

* BLEU is the geometric mean of the shares p_n of n-grams (n = 1 … 4 words) that are found in a
  reference. That is precision only; a system could say just the one word it is sure of. The
  brevity penalty exp(1 − r/c) for c < r words answers this: c words were written where the
  references have r.
* chrF counts pieces of characters (n = 1 … 6, spaces dropped) and balances precision P with
  recall R, F = (1 + β²) P R / (β² P + R), recall weighing β = 2 times as much. It needs no choice
  of what a word is. chrF++ also counts words and pairs of words.

Both are taken over a corpus: counts are summed over segments first and divided last, so a mean of
sentence scores is another number. Scores run from 0 to 100. The standard error is the bootstrap's
over segments (Koehn, 2004).

BLEU depends on how a line is cut into words. Lines are cut at white space here, which suits text
that is tokenised already, and the published scores of whole sentences use ``split_13a``.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_choice, check_int, check_number
from course_utils.metrics.bootstrap import bootstrap
from course_utils.metrics.likelihood import Estimate

References = Sequence[str | Sequence[str]]
"""One right answer for each line, or several."""

_SMOOTHINGS = ("exp", "floor", "add-k", "none")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
_CUTS_13A = (
    (re.compile(r"([!-&(-+:-@/\[-`{-~])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


@dataclass(frozen=True)
class Bleu:
    """BLEU and what it is made of.

    Attributes:
        score: BLEU, 0 to 100, with its standard error.
        precisions: p_1 … p_N in percent, after smoothing.
        brevity_penalty: min(1, exp(1 − r/c)).
        hypothesis_length: c, tokens in all hypotheses.
        reference_length: r, the same for the reference closest in length to each hypothesis.
    """

    score: Estimate
    precisions: tuple[float, ...]
    brevity_penalty: float
    hypothesis_length: int
    reference_length: int


def bleu(
    hypotheses: Sequence[str],
    references: References,
    *,
    split: Callable[[str], list[str]] = str.split,
    max_order: int = 4,
    smoothing: str = "exp",
    num_resamples: int = 200,
    generator: torch.Generator | None = None,
) -> Bleu:
    """Corpus BLEU = 100 · min(1, exp(1 − r/c)) · (p_1 ⋯ p_N)^{1/N}.

    p_n is the number of n-grams of the hypotheses that a reference holds, counted at most as often
    as in the reference that has most of them, over the number of n-grams of the hypotheses.

    Args:
        hypotheses: Generated segments, each of at least one token.
        references: For each segment one reference, or a list of several.
        split: From a line to tokens: ``str.split`` at white space, ``split_13a`` for the usual
            words and punctuation, ``list`` for characters.
        max_order: N ≥ 1.
        smoothing: What an order without a match gets instead of p_n = 0, which would make the
            score 0: ``"exp"`` half a match for the first such order, a quarter for the second and
            so on; ``"floor"`` 0.1 of a match; ``"none"`` nothing; ``"add-k"`` adds 1 to matches
            and n-grams of every order above 1. A corpus without any match scores 0 under each.
        num_resamples: Bootstrap resamples of segments, ≥ 2.
        generator: Source of randomness on the CPU.

    Returns:
        BLEU and its parts. The standard error of a single segment is NaN.

    Raises:
        ArgumentError: If counts differ, a segment is empty, or no hypothesis has N tokens.

    Accuracy:
        Exact for the given text; sacrebleu computes the same with ``tokenize="none"`` or
        ``"13a"``.

    Source:
        [papineni2002bleu]; the smoothings are those of Chen and Cherry (2014) as sacrebleu has
        them, [post2018call].
    """
    check_int("max_order", max_order, low=1)
    check_choice("smoothing", smoothing, _SMOOTHINGS)
    rows = []
    for hypothesis, alternatives in _pairs(hypotheses, references):
        tokens, others = split(hypothesis), [split(r) for r in alternatives]
        rows.append(_bleu_counts(tokens, others, max_order))
    if not any(row[-1] for row in rows):
        longest = max(row[0] for row in rows)
        raise ArgumentError(
            f"hypotheses: expected a segment of {max_order} tokens or more, got at most {longest}"
        )
    counts = torch.tensor(rows, dtype=torch.float64)
    total = counts.sum(0)
    precisions = _precisions(total, max_order, smoothing)
    written, wanted = total[0].item(), total[1].item()
    return Bleu(
        _corpus_score(counts, lambda c: _bleu(c, max_order, smoothing), num_resamples, generator),
        tuple((100 * precisions).tolist()),
        min(1.0, math.exp(1 - wanted / written)),
        int(written),
        int(wanted),
    )


def chrf(
    hypotheses: Sequence[str],
    references: References,
    *,
    char_order: int = 6,
    word_order: int = 0,
    beta: float = 2.0,
    num_resamples: int = 200,
    generator: torch.Generator | None = None,
) -> Estimate:
    """Corpus chrF = 100 (1 + β²) P R / (β² P + R).

    P and R are means over orders n of the shares of the hypotheses' and of the references' pieces
    that are matched, over the orders that both have. Of several references the one with the
    highest chrF for its segment counts.

    Args:
        hypotheses: Generated segments, each with at least one character that is no space.
        references: For each segment one reference, or a list of several.
        char_order: Longest piece of characters, ≥ 1; spaces are dropped first.
        word_order: Longest piece of words; 0 is chrF, 2 is chrF++. One punctuation mark at the end
            of a word, or else at its beginning, is a word of its own.
        beta: β > 0, how many times as much recall weighs as precision.
        num_resamples: Bootstrap resamples of segments, ≥ 2.
        generator: Source of randomness on the CPU.

    Returns:
        chrF, 0 to 100. The standard error of a single segment is NaN.

    Raises:
        ArgumentError: If counts differ or a segment is empty.

    Accuracy:
        Exact for the given text; sacrebleu computes the same.

    Source:
        [popovic2015chrf]; Popović (2017) for chrF++.
    """
    check_int("char_order", char_order, low=1)
    check_int("word_order", word_order, low=0)
    check_number("beta", beta, low=0, open_low=True)
    rows = []
    for hypothesis, alternatives in _pairs(hypotheses, references):
        pieces = _chrf_pieces(hypothesis, char_order, word_order)
        options = [
            _chrf_counts(pieces, _chrf_pieces(r, char_order, word_order)) for r in alternatives
        ]
        best = max(options, key=lambda row: _chrf(row, beta)) if len(options) > 1 else options[0]
        rows.append(best)
    return _corpus_score(torch.stack(rows), lambda c: _chrf(c, beta), num_resamples, generator)


def split_13a(line: str) -> list[str]:
    """Cut a line into words and punctuation marks as the evaluation script mteval-v13a does.

    Full stops and commas between digits stay, other punctuation stands alone; meant for Western
    languages. The published BLEU scores of machine translation use it.

    Args:
        line: One segment of raw text.

    Returns:
        Its tokens.
    """
    line = line.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES.items():
        line = line.replace(entity, character)
    line = f" {line} "
    for pattern, replacement in _CUTS_13A:
        line = pattern.sub(replacement, line)
    return line.split()


def _pairs(hypotheses: Sequence[str], references: References) -> list[tuple[str, list[str]]]:
    if isinstance(hypotheses, str) or isinstance(references, str):
        raise ArgumentError("hypotheses, references: expected lists of segments, got one string")
    if not hypotheses:
        raise ArgumentError("hypotheses: expected at least one segment, got none")
    if len(hypotheses) != len(references):
        raise ArgumentError(
            f"references: expected one entry per hypothesis, {len(hypotheses)}, "
            f"got {len(references)}"
        )
    pairs = []
    for i, (hypothesis, entry) in enumerate(zip(hypotheses, references, strict=True)):
        alternatives = list(entry) if isinstance(entry, list | tuple) else [entry]
        if not alternatives:
            raise ArgumentError(f"references[{i}]: expected at least one reference, got none")
        _check_text(f"hypotheses[{i}]", hypothesis)
        for text in alternatives:
            _check_text(f"references[{i}]", text)
        pairs.append((hypothesis, alternatives))
    return pairs


def _check_text(name: str, text: str) -> None:
    if not isinstance(text, str):
        raise ArgumentError(f"{name}: expected a string, got {type(text).__name__}")
    if not text.strip():
        raise ArgumentError(f"{name}: expected text, got {text!r}")


def _corpus_score(
    counts: Float[Tensor, "segments counts"],
    score: Callable[[Tensor], Tensor],
    num_resamples: int,
    generator: torch.Generator | None,
) -> Estimate:
    check_int("num_resamples", num_resamples, low=2)
    value = 100 * score(counts.sum(0)).item()
    if len(counts) == 1:
        return Estimate(value, math.nan)
    sums = bootstrap(
        lambda weights: weights @ counts,
        len(counts),
        num_resamples=num_resamples,
        generator=generator,
    )
    return Estimate(value, 100 * score(sums).std().item())


def _ngrams(tokens: Sequence[str], order: int) -> Counter:
    return Counter(zip(*(tokens[i:] for i in range(order)), strict=False))


def _matches(found: Counter, wanted: Counter) -> int:
    return sum(min(count, wanted[piece]) for piece, count in found.items() if piece in wanted)


def _bleu_counts(tokens: list[str], references: list[list[str]], max_order: int) -> list[int]:
    """Lengths c and r, then matches for each order, then n-grams for each order."""
    length = len(tokens)
    closest = min((abs(len(r) - length), len(r)) for r in references)[1]
    matches, totals = [], []
    for order in range(1, max_order + 1):
        found, most = _ngrams(tokens, order), Counter()
        for reference in references:
            most |= _ngrams(reference, order)
        matches.append(_matches(found, most))
        totals.append(max(0, length - order + 1))
    return [length, closest, *matches, *totals]


def _precisions(counts: Float[Tensor, "*batch counts"], max_order: int, smoothing: str) -> Tensor:
    matches, totals = counts[..., 2 : 2 + max_order], counts[..., 2 + max_order :]
    if smoothing == "add-k":
        above = (torch.arange(max_order) > 0).to(counts)
        matches, totals = matches + above, totals + above
    missed = matches == 0
    if smoothing == "exp":
        matches = torch.where(missed, 0.5 ** missed.cumsum(-1), matches)
    if smoothing == "floor":
        matches = torch.where(missed, 0.1, matches)
    return torch.where(totals > 0, matches / totals.clamp_min(1), 0.0)


def _bleu(counts: Float[Tensor, "*batch counts"], max_order: int, smoothing: str) -> Tensor:
    written, wanted = counts[..., 0], counts[..., 1]
    penalty = (1 - wanted / written).clamp_max(0).exp()
    mean = _precisions(counts, max_order, smoothing).log().mean(-1).exp()
    matched = counts[..., 2 : 2 + max_order].sum(-1) > 0
    return torch.where(matched, penalty * mean, 0.0)


def _chrf_pieces(line: str, char_order: int, word_order: int) -> list[Counter]:
    characters = "".join(line.split())
    pieces = [
        Counter(characters[i : i + n] for i in range(len(characters) - n + 1))
        for n in range(1, char_order + 1)
    ]
    words = [part for word in line.split() for part in _peel(word)]
    return pieces + [_ngrams(words, n) for n in range(1, word_order + 1)]


def _peel(word: str) -> Iterable[str]:
    """A word without one punctuation mark at its end or else its beginning, and that mark."""
    if len(word) > 1 and word[-1] in _PUNCTUATION:
        return word[:-1], word[-1]
    if len(word) > 1 and word[0] in _PUNCTUATION:
        return word[0], word[1:]
    return (word,)


def _chrf_counts(found: list[Counter], wanted: list[Counter]) -> Float[Tensor, " counts"]:
    """Pieces of the hypothesis, of the reference, and matches, each for all orders."""
    rows = (
        [f.total() if w else 0 for f, w in zip(found, wanted, strict=True)],
        [w.total() for w in wanted],
        [_matches(f, w) for f, w in zip(found, wanted, strict=True)],
    )
    return torch.tensor(rows, dtype=torch.float64).flatten()


def _chrf(counts: Float[Tensor, "*batch counts"], beta: float) -> Tensor:
    found, wanted, matches = counts.unflatten(-1, (3, -1)).unbind(-2)
    both = ((found > 0) & (wanted > 0)).to(counts)
    precision = (both * matches / found.clamp_min(1)).sum(-1)
    recall = (both * matches / wanted.clamp_min(1)).sum(-1)
    scale = both.sum(-1).clamp_min(1) * (beta**2 * precision + recall)
    return torch.where(scale > 0, (1 + beta**2) * precision * recall / scale, 0.0)
