"""BLEU and chrF, against fractions written out by hand and sacrebleu."""

import math
import random

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.text import bleu, chrf, split_13a

WORDS = ("the", "cat", "sat,", "on", "mat.", "(a", "3.5", "dog!", "1,000", "up-to", '"y"', "don't")


@pytest.fixture
def rng():
    return random.Random(0)


def segment(rng, low, high):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))


def corpus(rng, low, high, num_references=1):
    size = rng.randint(2, 6)
    hypotheses = [segment(rng, low, high) for _ in range(size)]
    references = [[segment(rng, low, high) for _ in range(num_references)] for _ in range(size)]
    return hypotheses, references, [list(stream) for stream in zip(*references, strict=True)]


def score(*arguments, **options):
    return bleu(*arguments, num_resamples=2, **options).score.value


@pytest.mark.concept("metric.bleu")
def test_two_sentences_by_hand():
    """Matches 5 + 5, 3 + 4, 1 + 3, 0 + 2 of 6 + 5, 5 + 4, 4 + 3, 3 + 2; 11 words for 13."""
    hypotheses = ["the cat sat on the mat", "a b c d e"]
    references = ["the cat is on the mat today", "a b c d e f"]
    result = bleu(hypotheses, references)
    assert result.precisions == pytest.approx((1000 / 11, 700 / 9, 400 / 7, 200 / 5), rel=1e-12)
    assert (result.hypothesis_length, result.reference_length) == (11, 13)
    assert result.brevity_penalty == pytest.approx(math.exp(-2 / 11), rel=1e-12)
    product = 10 / 11 * 7 / 9 * 4 / 7 * 2 / 5
    truth = 100 * math.exp(-2 / 11) * product**0.25
    assert result.score.value == pytest.approx(truth, abs=1e-9)
    for smoothing in ("none", "floor"):
        assert score(hypotheses, references, smoothing=smoothing) == pytest.approx(truth, abs=1e-9)
    added = 10 / 11 * 8 / 10 * 5 / 8 * 3 / 6
    truth = 100 * math.exp(-2 / 11) * added**0.25
    assert score(hypotheses, references, smoothing="add-k") == pytest.approx(truth, abs=1e-9)


def test_a_repeated_word_counts_as_often_as_one_reference_holds_it():
    """Seven times "the": the references hold it twice and once, so 2/7 and not 3/7 or 7/7."""
    result = bleu(
        ["the the the the the the the"],
        [["the cat is on the mat", "there is a cat on the mat"]],
        max_order=1,
    )
    assert result.score.value == pytest.approx(200 / 7, rel=1e-12)
    assert math.isnan(result.score.standard_error)


def test_smoothing_by_hand():
    """Matches 3, 1, 0, 0 of 4, 3, 2, 1 n-grams, as many words as the reference."""
    hypotheses, references = ["a b x c"], ["a b c y"]
    found = {s: score(hypotheses, references, smoothing=s) for s in ("exp", "floor", "add-k")}
    exp = 3 / 4 * 1 / 3 * (1 / 2) / 2 * (1 / 4) / 1
    floor = 3 / 4 * 1 / 3 * 0.1 / 2 * 0.1 / 1
    add = 3 / 4 * 2 / 4 * 1 / 3 * 1 / 2
    for name, product in (("exp", exp), ("floor", floor), ("add-k", add)):
        assert found[name] == pytest.approx(100 * product**0.25, rel=1e-12)
    assert score(hypotheses, references, smoothing="none") == 0


@pytest.mark.concept("metric.bleu")
@pytest.mark.parametrize("smoothing", ["exp", "floor", "add-k", "none"])
def test_identity_and_nothing_in_common(rng, smoothing):
    texts = [segment(rng, 4, 9) for _ in range(5)]
    strange = ["p q r s t u"] * 5
    assert score(texts, texts, smoothing=smoothing) == pytest.approx(100, rel=1e-12)
    assert score(strange, texts, smoothing=smoothing) == 0
    assert chrf(texts, texts, word_order=2).value == pytest.approx(100, rel=1e-12)
    assert chrf(["\u0431"] * 5, texts).value == 0


@pytest.mark.concept("metric.bleu")
def test_brevity_penalty_is_not_n_gram_overlap():
    """Every n-gram is right in both; half the words cost a factor exp(1 − 2), more words none."""
    reference = "a b c d e f g h"
    assert score(["a b c d"], [reference]) == pytest.approx(100 / math.e, rel=1e-12)
    assert bleu(["a b c d e"], ["a b c d"]).brevity_penalty == 1


def test_length_of_the_closest_reference():
    """Five words between references of four and six: the shorter one counts."""
    result = bleu(["a b c d e"], [["a b c d e f", "a b c d"]])
    assert result.reference_length == 4
    assert bleu(["a b c d e"], [["a b c d e f", "a b c"]]).reference_length == 6


@pytest.mark.parametrize("lengths", [(1, 7), (4, 20)])
@pytest.mark.parametrize("num_references", [1, 3])
def test_bleu_agrees_with_sacrebleu(rng, lengths, num_references):
    """1e-9 of 100. Without a segment of four tokens sacrebleu gives 0 and we refuse."""
    peer = pytest.importorskip("sacrebleu.metrics", reason="a peer")
    compared = 0
    for _ in range(25):
        hypotheses, references, streams = corpus(rng, *lengths, num_references)
        for smoothing in ("exp", "floor", "add-k", "none"):
            for tokenize, split in (("none", str.split), ("13a", split_13a)):
                metric = peer.BLEU(tokenize=tokenize, smooth_method=smoothing)
                theirs = metric.corpus_score(hypotheses, streams)
                if max(len(split(h)) for h in hypotheses) < 4:
                    with pytest.raises(ArgumentError, match="expected a segment of 4 tokens"):
                        bleu(hypotheses, references, split=split)
                    continue
                ours = bleu(
                    hypotheses, references, split=split, smoothing=smoothing, num_resamples=2
                )
                assert ours.score.value == pytest.approx(theirs.score, abs=1e-9)
                assert ours.brevity_penalty == pytest.approx(theirs.bp, abs=1e-12)
                compared += 1
    assert compared >= 150


@pytest.mark.parametrize("word_order", [0, 2])
@pytest.mark.parametrize("num_references", [1, 3])
def test_chrf_agrees_with_sacrebleu(rng, word_order, num_references):
    """1e-9 of 100."""
    peer = pytest.importorskip("sacrebleu.metrics", reason="a peer")
    for trial in range(40):
        lengths = (1, 3) if trial % 2 else (2, 15)
        hypotheses, references, streams = corpus(rng, *lengths, num_references)
        beta, char_order = (2, 6) if trial % 4 < 2 else (1, 3)
        metric = peer.CHRF(char_order=char_order, word_order=word_order, beta=beta)
        theirs = metric.corpus_score(hypotheses, streams).score
        options = {"char_order": char_order, "word_order": word_order, "beta": float(beta)}
        ours = chrf(hypotheses, references, num_resamples=2, **options)
        assert ours.value == pytest.approx(theirs, abs=1e-9)


def test_split_13a_agrees_with_sacrebleu(rng):
    peer = pytest.importorskip("sacrebleu.tokenizers.tokenizer_13a", reason="a peer")
    pieces = [chr(c) for c in range(32, 127)] + list("12.,-é\n") * 3
    pieces += ["&quot;", "&amp;lt;", "&gt;", "<skipped>", "-\n"]
    tokenizer = peer.Tokenizer13a()
    for _ in range(1000):
        line = "".join(rng.choice(pieces) for _ in range(30))
        assert split_13a(line) == tokenizer(line).split()


def test_split_13a_by_hand():
    line = "He paid 1,000.50 (not &quot;free&quot;), in 2-3 well-made steps."
    tokens = 'He paid 1,000.50 ( not " free " ) , in 2 - 3 well-made steps .'
    assert split_13a(line) == tokens.split()


def test_chrf_by_hand():
    """ "ab" for "abc", orders 1 and 2: P = 1, R = (2/3 + 1/2)/2 = 7/12, F = 5 P R/(4 P + R).

    Order 3 exists in the reference alone and does not count. With words of order 1, none right,
    P = 2/3 and R = 7/18.
    """
    for char_order in (2, 3):
        assert chrf(["a b"], ["ab c"], char_order=char_order).value == pytest.approx(700 / 11)
    assert chrf(["ab"], ["abc"], char_order=2, beta=1.0).value == pytest.approx(1400 / 19)
    found = chrf(["ab"], ["abc"], char_order=2, word_order=1).value
    assert found == pytest.approx(100 * 5 * (2 / 3) * (7 / 18) / (4 * 2 / 3 + 7 / 18))


def test_chrf_words_leave_one_punctuation_mark():
    """ "(hi)" is the words "(hi" and ")", but "(hi x)" is "(", "hi", "x" and ")": one is found."""
    found = chrf(["(hi)"], ["(hi x)"], char_order=1, word_order=1).value
    precision, recall = (1 + 1 / 2) / 2, (4 / 5 + 1 / 4) / 2
    assert found == pytest.approx(500 * precision * recall / (4 * precision + recall))


def test_a_punctuation_mark_alone_is_one_word():
    """ "a -" has two words, one of them in "a"; two characters, one of them in "a"."""
    found = chrf(["a -"], ["a"], char_order=1, word_order=1).value
    assert found == pytest.approx(500 * 0.5 / (4 * 0.5 + 1))


@pytest.mark.parametrize("metric", [lambda *a, **k: bleu(*a, **k).score, chrf])
def test_standard_error_is_the_spread_over_corpora(rng, generator, metric):
    """80 corpora of 60 segments: spread to relative 1/√160 = .08; four of them .32."""

    def draw():
        references = [segment(rng, 5, 12) for _ in range(60)]
        changed = [
            " ".join(w if rng.random() < 0.8 else rng.choice(WORDS) for w in r.split())
            for r in references
        ]
        return metric(changed, references, num_resamples=50, generator=generator)

    runs = [draw() for _ in range(80)]
    spread = torch.tensor([r.value for r in runs], dtype=torch.float64).std().item()
    assert sum(r.standard_error for r in runs) / 80 == pytest.approx(spread, rel=0.32)


def test_same_seed_same_error(rng):
    hypotheses, references, _ = corpus(rng, 5, 9)
    one, two, other = (
        chrf(hypotheses, references, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert one == two
    assert one.value == other.value
    assert one.standard_error != other.standard_error


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize("metric", [bleu, chrf])
@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        ([], [], "hypotheses: expected at least one segment, got none"),
        ("a b", ["a b"], "hypotheses, references: expected lists of segments, got one string"),
        (["a"], ["a", "b"], "references: expected one entry per hypothesis, 1, got 2"),
        (["a", " "], ["a", "b"], "hypotheses[1]: expected text, got ' '"),
        (["a"], [["b", ""]], "references[0]: expected text, got ''"),
        (["a"], [7], "references[0]: expected a string, got int"),
        (["a"], [[]], "references[0]: expected at least one reference, got none"),
        ([["a"]], ["a"], "hypotheses[0]: expected a string, got list"),
    ],
)
def test_bad_text_is_one_clear_line(metric, hypotheses, references, message):
    with pytest.raises(ArgumentError) as error:
        metric(hypotheses, references)
    assert str(error.value) == message


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda t: bleu(t, t),
            "hypotheses: expected a segment of 4 tokens or more, got at most 3",
        ),
        (lambda t: bleu(t, t, max_order=0), "max_order: expected a whole number >= 1, got 0"),
        (
            lambda t: bleu(t, t, smoothing="add"),
            "smoothing: expected one of 'exp', 'floor', 'add-k', 'none', got 'add'",
        ),
        (lambda t: chrf(t, t, beta=0.0), "beta: expected a number > 0, got 0.0"),
        (lambda t: chrf(t, t, char_order=0), "char_order: expected a whole number >= 1, got 0"),
        (lambda t: chrf(t, t, word_order=-1), "word_order: expected a whole number >= 0, got -1"),
        (lambda t: chrf(t, t, num_resamples=1), "num_resamples: expected a whole number >= 2"),
    ],
)
def test_bad_option_is_one_clear_line(call, message):
    with pytest.raises(ArgumentError) as error:
        call(["a b c", "d e"])
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
