"""Inception score, against exact cases, mutual information by scikit-learn and torchmetrics."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score

from course_utils.arguments import ArgumentError
from course_utils.metrics.inception_score import inception_score, split_inception_scores


def one_hot(labels, classes):
    return torch.nn.functional.one_hot(labels, classes).double()


def written_out(probs):
    """exp of the mean Kullback-Leibler divergence to the average row, by loops."""
    rows = probs.tolist()
    average = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    divergences = [
        sum(p * math.log(p / q) for p, q in zip(row, average, strict=True) if p > 0) for row in rows
    ]
    return math.exp(sum(divergences) / len(rows))


def random_probs(generator, n, classes):
    logits = 2 * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    return logits.softmax(-1)


@pytest.mark.concept("metric.inception-score")
@pytest.mark.parametrize("classes", [2, 10, 37])
def test_exact_cases(classes):
    """Sure and balanced: K; the same about all: 1; one image for each class: K. Rounding only."""
    labels = torch.arange(classes)
    for copies in (1, 7):
        score = inception_score(one_hot(labels.repeat(copies), classes))
        assert score.value == pytest.approx(classes, rel=1e-12)
        assert score.standard_error == pytest.approx(0, abs=1e-6)
    ignorant = inception_score(torch.full((classes, classes), 1 / classes))
    assert ignorant.value == pytest.approx(1, abs=1e-6)
    always_first = inception_score(one_hot(0 * labels, classes))
    assert always_first.value == pytest.approx(1, rel=1e-12)


def test_unequal_classes_are_the_entropy_of_their_frequencies():
    """A sure classifier: exp H(¾, ¼, 0); rounding only."""
    labels = torch.tensor([0, 0, 0, 1]).repeat(5)
    truth = 4 / 3**0.75
    assert inception_score(one_hot(labels, 3)).value == pytest.approx(truth, rel=1e-12)


def test_value_and_jackknife_by_loops(generator):
    """The definition, and every image left out in turn; rounding only."""
    probs = random_probs(generator, 12, 4)
    probs[0] = one_hot(torch.tensor([2]), 4)
    score = inception_score(probs)
    assert score.value == pytest.approx(written_out(probs), rel=1e-12)
    left = [written_out(torch.cat([probs[:i], probs[i + 1 :]])) for i in range(12)]
    mean = sum(left) / 12
    truth = math.sqrt(11 / 12 * sum((v - mean) ** 2 for v in left))
    assert score.standard_error == pytest.approx(truth, rel=1e-10)
    assert inception_score(probs.float()).value == pytest.approx(score.value, rel=1e-6)


def test_logarithm_is_a_mutual_information(generator):
    """Rows that are conditional frequencies of a table of counts: scikit-learn's number.

    Every row of the table stands for an image seen equally often; rounding only.
    """
    counts = torch.tensor([[6, 2, 0], [1, 1, 6], [4, 4, 0], [0, 8, 0]])
    cells = [(i, k) for i in range(4) for k in range(3) for _ in range(int(counts[i, k]))]
    truth = math.exp(mutual_info_score([i for i, _ in cells], [k for _, k in cells]))
    assert inception_score(counts / 8.0).value == pytest.approx(truth, rel=1e-6)


@pytest.mark.concept("metric.inception-score")
def test_bias_and_standard_error_over_repeated_samples(generator):
    """A sure classifier of K = 5 classes with known frequencies, n = 200, 400 runs.

    The bias is −(K − 1)/(2n) = −1 % of the value: the mean of the runs is within 4 standard errors
    of the corrected truth, and far from the uncorrected. The spread is that of the runs to .15,
    four times 1/√800.
    """
    frequencies = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05], dtype=torch.float64)
    truth = math.exp(-(frequencies * frequencies.log()).sum().item())
    draws = torch.multinomial(frequencies, 400 * 200, replacement=True, generator=generator)
    runs = [inception_score(one_hot(labels, 5)) for labels in draws.reshape(400, 200)]
    values = torch.tensor([r.value for r in runs], dtype=torch.float64)
    chance = 4 * values.std() / math.sqrt(400)
    assert abs(values.mean() - truth * (1 - 4 / 400)) < chance
    assert values.mean() + chance < truth
    stated = sum(r.standard_error for r in runs) / 400
    assert stated == pytest.approx(values.std().item(), rel=0.15)


def test_splits_are_scores_of_the_parts(generator):
    """Consecutive parts whose sizes differ by at most one, each scored alone; rounding only."""
    probs = random_probs(generator, 22, 3)
    found = split_inception_scores(probs, 4)
    parts = [probs[:6], probs[6:12], probs[12:17], probs[17:]]
    truth = torch.tensor([written_out(p) for p in parts], dtype=torch.float64)
    torch.testing.assert_close(found, truth, rtol=1e-12, atol=0)
    assert split_inception_scores(probs, 1).item() == pytest.approx(inception_score(probs).value)


@pytest.mark.filterwarnings("ignore")
def test_splits_agree_with_torchmetrics(generator):
    """Its own class fed with logits; it shuffles, so one part is compared; float32 rounding."""
    peer = pytest.importorskip("torchmetrics.image.inception", reason="torchmetrics is missing")

    class Logits(torch.nn.Module):
        num_features = 5

        def forward(self, x):
            return x.flatten(1)

    logits = 2 * torch.randn(80, 5, generator=generator)
    metric = peer.InceptionScore(feature=Logits(), splits=1, normalize=False)
    metric.features.append(logits)
    mean, _ = metric.compute()
    ours = split_inception_scores(logits.softmax(-1), 1)
    assert ours.item() == pytest.approx(mean.item(), rel=1e-5)


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: inception_score(p[:3]),
            "probs: expected at least 4 images for 4 classes, got 3",
        ),
        (
            lambda p: inception_score(2 * p),
            "probs: expected probabilities that sum to 1, got a sum of 2.0",
        ),
        (lambda p: inception_score(p[0]), "probs: expected shape (n, classes), got shape (4,)"),
        (lambda p: inception_score(-p), "probs: expected values >= 0, got a value of -1.0"),
        (
            lambda p: split_inception_scores(p, 9),
            "num_splits: expected a whole number >= 1 and <= 8, got 9",
        ),
        (
            lambda p: split_inception_scores(p.long()),
            "probs: expected dtype float, got dtype torch.int64",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ArgumentError) as error:
        call(one_hot(torch.arange(4).repeat(2), 4))
    assert str(error.value) == message
