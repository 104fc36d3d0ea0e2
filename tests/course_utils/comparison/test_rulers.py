"""Every metric ranks the truth above the truth spoilt in a known way."""

import math
from functools import partial

import pytest
import torch
from recipes import BOUNDED, COPIER, GAUSSIANS, NORMAL, SMALL

from course_utils.comparison import TRUTH, Contender, Evidence, Metric, Reference, compare, rulers
from course_utils.comparison.references import Collapsed, Diluted, Shifted
from course_utils.metrics.likelihood import Estimate
from course_utils.models.autoregressive import NADE
from course_utils.worlds.plane import Checkerboard, eight_gaussians

SPOILT = (
    TRUTH,
    Reference("shifted", partial(Shifted, offset=1.0)),
    Reference("collapsed", partial(Collapsed, share=0.25)),
    Reference("diluted", partial(Diluted, share=0.01)),
)
ALL = (
    rulers.negative_log_likelihood(),
    rulers.gap_to_truth(),
    rulers.energy_distance(),
    rulers.sliced_wasserstein(),
    rulers.squared_mmd(),
    rulers.classifier_accuracy(),
    rulers.frechet(),
    rulers.precision(),
    rulers.recall(),
    rulers.density(),
    rulers.coverage(),
    rulers.mode_divergence(),
    rulers.high_quality_share(),
    rulers.copied_share(),
)
FIDELITY = {"precision", "density", "high-quality share"}
REAL = {"negative log-likelihood", "gap to truth", "energy distance", "mode divergence"}


@pytest.fixture(scope="module")
def table():
    torch.set_num_threads(1)
    here = {"references": SPOILT, "jobs": 0, "progress": False, "num_train": 2000}
    return compare([BOUNDED, COPIER], [GAUSSIANS], ALL, **here)


@pytest.fixture(scope="module")
def real():
    torch.set_num_threads(1)
    chosen = [m for m in ALL if m.name in REAL]
    return compare([BOUNDED, COPIER], [SMALL], chosen, references=SPOILT, jobs=0, progress=False)


def clearly_worse(table, model: str, metric: str) -> bool:
    """By more than 4 standard errors of the difference, in the metric's own direction."""
    row, truth = (table.row(m, GAUSSIANS.name, metric) for m in (model, "truth"))
    worse = (row.value - truth.value) * (1 if row.better == "lower" else -1)
    return worse > 4 * math.hypot(row.standard_error or 0, truth.standard_error or 0)


@pytest.mark.concept("eval.framework")
@pytest.mark.parametrize("metric", [m.name for m in ALL if m.name != "copied share"])
def test_shifted_and_collapsed_are_told_from_the_truth(table, metric) -> None:
    """Fidelity cannot see a collapse; all others see both."""
    assert clearly_worse(table, "shifted", metric)
    assert clearly_worse(table, "collapsed", metric) == (metric not in FIDELITY)


def test_each_metric_is_nearly_blameless_for_the_truth(table) -> None:
    """The floor: unbiased metrics within 4 standard errors of their mean."""
    unbiased = {
        "gap to truth": 0.0,
        "energy distance": 0.0,
        "squared MMD": 0.0,
        "classifier accuracy": 0.5,
        "mode divergence": 0.0,
        "copied share": 0.0,
        "high-quality share": 0.99,
        "density": 1.0,
    }
    for metric, wanted in unbiased.items():
        row = table.row("truth", GAUSSIANS.name, metric)
        assert abs(row.value - wanted) <= 4 * row.standard_error, metric
        assert row.floor == row.value
    assert table.row("truth", GAUSSIANS.name, "gap to truth").value == 0


@pytest.mark.concept("eval.tradeoffs")
def test_diluted_loses_little_likelihood_and_nearly_all_precision(table) -> None:
    gap = table.row("diluted", GAUSSIANS.name, "gap to truth")
    assert 0 < gap.value <= math.log(100)
    share = table.row("diluted", GAUSSIANS.name, "high-quality share")
    assert share.value < 0.1


def test_likelihood_is_infinite_for_a_collapse(table) -> None:
    row = table.row("collapsed", GAUSSIANS.name, "negative log-likelihood")
    assert (row.value, row.standard_error, row.mark) == (math.inf, None, "exact")


def test_truth_scores_its_entropy(table) -> None:
    world, generator = eight_gaussians(), torch.Generator().manual_seed(3)
    entropy, error = world.entropy(generator=generator)
    row = table.row("truth", GAUSSIANS.name, "negative log-likelihood")
    assert abs(row.value - entropy.item()) < 4 * math.hypot(row.standard_error, error.item())


def test_copies_are_seen_by_the_one_metric_that_sees_training_examples(table) -> None:
    row = table.row("copier", GAUSSIANS.name, "copied share")
    assert abs(row.value - 1) < 4 * row.standard_error
    truth = table.row("truth", GAUSSIANS.name, "copied share")
    assert abs(truth.value) < 4 * truth.standard_error
    assert not clearly_worse(table, "copier", "energy distance")


def test_bounds_are_marked_and_absent_answers_give_their_reason(table, real) -> None:
    bound = table.row("bounded", GAUSSIANS.name, "gap to truth")
    assert bound.mark == "bound" and bound.value > 0.5
    assert str(bound.cell()).startswith("≤ ")
    none = table.row("copier", GAUSSIANS.name, "gap to truth")
    wanted = "Copier cannot score: it has no method log_prob. See week 12."
    assert (none.mark, none.value, none.note) == ("absent", None, wanted)
    unknown = real.row("bounded", SMALL.name, "gap to truth")
    wanted = "HeldOut cannot score: nobody knows the law of real examples. See week 12."
    assert (unknown.mark, unknown.note) == ("absent", wanted)
    hidden = real.row("bounded", SMALL.name, "mode divergence")
    wanted = "HeldOut cannot infer: nobody knows what is hidden in real examples. See week 12."
    assert (hidden.mark, hidden.note) == ("absent", wanted)
    assert real.row("bounded", SMALL.name, "negative log-likelihood").mark == "bound"
    assert real.row("truth", SMALL.name, "energy distance").mark == "estimate"
    assert {row.mark for row in (*table.rows, *real.rows)} == {
        "exact",
        "bound",
        "estimate",
        "absent",
    }


def test_network_evaluations_of_a_sampler(real) -> None:
    calls = real.row("bounded", SMALL.name, "network calls")
    each = real.row("bounded", SMALL.name, "evaluations per sample")
    assert (calls.value, each.value, calls.mark) == (2, 2, "exact")
    assert real.row("bounded", SMALL.name, "parameters").value == 6
    assert real.row("copier", SMALL.name, "network calls").mark == "absent"


def test_mark_of_a_listed_family_is_the_listed_one(monkeypatch) -> None:
    from course_utils import tasks
    from course_utils.comparison import metric

    listed = tasks.Capability(
        "NADE",
        "course_utils.models.autoregressive.nade.NADE",
        sample="exact",
        score="estimate",
        infer="absent",
        learn="exact",
    )
    monkeypatch.setattr(metric, "CAPABILITIES", (listed,))
    x = torch.zeros(3, 4, dtype=torch.long)
    scores, mark = metric.log_scores(NADE(4, 8), x)
    assert (scores.shape, scores.dtype, mark) == ((3,), torch.float64, "estimate")
    monkeypatch.setattr(metric, "CAPABILITIES", ())
    assert metric.log_scores(NADE(4, 8), x)[1] == "exact"


def test_long_test_sets_are_scored_in_parts_that_change_nothing(generator) -> None:
    from course_utils.comparison.metric import log_scores

    world = eight_gaussians(dtype=torch.float64)
    x = world.sample(2300, generator=generator)
    torch.testing.assert_close(log_scores(world, x)[0], world.log_prob(x), rtol=0, atol=1e-12)


def test_a_metric_refuses_in_one_line_and_the_others_go_on() -> None:
    metrics = [rulers.frechet(), rulers.energy_distance(), rulers.mode_divergence()]
    few = compare([], [GAUSSIANS], metrics, num_test=2, jobs=0, progress=False)
    row = few.row("truth", GAUSSIANS.name, "Frechet distance")
    wanted = "ArgumentError: y: expected more samples than the 2 features, got 2"
    assert (row.mark, row.note, row.value) == ("failed", wanted, None)
    assert few.row("truth", GAUSSIANS.name, "mode divergence").mark == "estimate"


def test_a_world_without_weights_has_no_mode_divergence(generator) -> None:
    world = Checkerboard()
    x = world.sample(10, generator=generator)
    evidence = Evidence(world, x, x, world, None, generator)
    assert not hasattr(world, "weights")
    with pytest.raises(Exception, match="Checkerboard cannot weigh modes"):
        rulers.mode_divergence().read(evidence)


def test_modes_may_be_coarser_than_the_worlds_own(generator) -> None:
    """The left half of the eight Gaussians, which is half of the two modes left and right."""

    def halves(world, x):
        left = (world.means[:, 0] < 0).to(x.dtype)
        posterior = world.posterior(x) @ torch.stack([left, 1 - left], 1)
        return posterior, torch.tensor([left.mean(), 1 - left.mean()])

    world = eight_gaussians()
    x = world.sample(4000, generator=generator)
    only_left = x[halves(world, x)[0][:, 0] > 0.5]
    weight = halves(world, x)[1][0].item()
    evidence = Evidence(world, only_left, x, world, None, generator)
    reading = rulers.mode_divergence(halves).read(evidence)
    # Without the bias correction, 0 here, KL(q|w) is the log of one over the weight.
    assert reading.value == pytest.approx(-math.log(weight), abs=1e-6)


def test_a_metric_is_given_what_it_needs_and_no_more() -> None:
    seen: dict[str, Evidence] = {}

    def look(name):
        def compute(evidence):
            seen[name] = evidence
            return Estimate(1.0, 0.5) if name == "scores" else 2

        return compute

    metrics = [
        Metric("scores", "", "lower", {"score"}, look("scores")),
        Metric("samples", "", "lower", {"samples"}, look("samples")),
        Metric("both", "", "lower", {"samples", "train"}, look("both")),
    ]
    untrained = Contender("normal", NORMAL.build)
    table = compare([untrained], [SMALL], metrics, references=(), jobs=0, progress=False)
    assert seen["scores"].samples is None and seen["scores"].train is None
    assert seen["samples"].train is None and seen["samples"].samples is not None
    assert len(seen["both"].train) == 200
    assert table.row("normal", "small", "scores").standard_error == 0.5
    assert table.row("normal", "small", "both").standard_error is None
    assert not seen["scores"].model.training


def test_a_model_that_cannot_sample() -> None:
    scorer = Contender("scorer", _scorer)
    metrics = [rulers.energy_distance(), rulers.negative_log_likelihood()]
    table = compare([scorer], [GAUSSIANS], metrics, jobs=0, progress=False)
    row = table.row("scorer", GAUSSIANS.name, "energy distance")
    wanted = "_Scorer cannot sample: it has no method sample. See week 12."
    assert (row.mark, row.note) == ("absent", wanted)
    assert table.row("scorer", GAUSSIANS.name, "negative log-likelihood").value == 1.5


class _Scorer:
    def log_prob(self, x):
        return torch.full((len(x),), -1.5)


def _scorer(lesson):
    return _Scorer()
