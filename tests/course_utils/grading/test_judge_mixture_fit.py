"""Handed-in mixtures: the divergence by quadrature, and the advice that goes with it."""

import pytest
import torch
from safetensors.torch import save

from course_utils.grading import find_question
from course_utils.grading.judges.mixture_fit import divergence, log_density

INSTANCE = find_question("w00-fit").instances()[0]
SOURCE = {name: INSTANCE.args[name] for name in ("weights", "means", "covariances")}


def packed(**changes):
    law = {**SOURCE, **changes}
    return save({name: value.contiguous().float() for name, value in law.items()})


def test_the_source_itself_earns_everything():
    assert divergence(SOURCE, SOURCE) == 0
    assert find_question("w00-fit").assess(packed()).fraction == 1


def test_the_grid_carries_all_of_the_mass_and_agrees_with_samples(generator):
    axis = torch.linspace(-9, 9, 301, dtype=torch.float64)
    mass = log_density(torch.cartesian_prod(axis, axis), SOURCE).exp().sum() * 0.06**2
    assert float(mass) == pytest.approx(1, abs=1e-9)
    fitted = {**SOURCE, "means": SOURCE["means"] + 0.3}
    x = INSTANCE.args["x"].double()
    samples = log_density(x, SOURCE) - log_density(x, fitted)
    error = float(samples.std()) / len(x) ** 0.5
    assert abs(float(samples.mean()) - divergence(SOURCE, fitted)) < 4 * error


def single():
    x = INSTANCE.args["x"].double()
    return {
        "means": x.mean(0).expand(3, 2),
        "covariances": torch.cov(x.T).expand(3, 2, 2),
        "weights": torch.full((3,), 1 / 3),
    }


def moments(keep):
    """The source with one component moved onto another, or left without weight."""
    means = SOURCE["means"].clone()
    means[2] = means[keep] + 0.01
    return means


ZOO = {
    "equal starts": (single(), "gap", "equal starts stay equal"),
    "twice in one place": ({"means": moments(0)}, "gap", "two components sit in one place"),
    "unused": ({"weights": torch.tensor([0.6, 0.37, 0.03])}, "gap", "nearly no weight"),
    "round": (
        {"covariances": torch.eye(2).expand(3, 2, 2)},
        "gap",
        "full matrices",
    ),
    "far": ({"means": SOURCE["means"] + 2.0}, "gap", "no component near it"),
    "no law": ({"weights": 2 * SOURCE["weights"]}, "no-law", "sum to one"),
    "roots": (
        {"covariances": torch.tensor([[1.0, 0.5], [0.2, 1.0]]).expand(3, 2, 2)},
        "no-covariance",
        "symmetric and positive",
    ),
    "degenerate": ({"covariances": 0 * SOURCE["covariances"]}, "no-covariance", "positive"),
    "not a number": ({"means": SOURCE["means"] * float("nan")}, "nan", "NaN"),
    "transposed": ({"means": SOURCE["means"].T}, "shape", "expected shape (3, 2)"),
}


@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_fit_gets_its_advice(name, fails):
    changes, category, words = ZOO[name]
    fails("w00-fit", packed(**changes), category, words)


def test_a_missing_tensor_and_a_missing_file(fails):
    fails("w00-fit", save({"weights": torch.ones(3) / 3}), "missing-tensor", "named 'means'")
    fails("w00-fit", "nowhere.safetensors", "missing-file", "save the weights first")


def test_half_the_points_for_a_fit_that_is_nearly_right():
    verdict = find_question("w00-fit").assess(packed(means=SOURCE["means"] + 0.09))
    assert verdict.fraction == 0.5 and verdict.mistake == "gap"
