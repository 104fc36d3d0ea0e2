"""Every link of the family tree does what it says; the children's formulas are scipy's too."""

import itertools

import networkx
import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.families import CHANCE, LINKS, RATE, link

BY_NAME = {f"{step.parent} → {step.child}": step for step in LINKS}
DISCRETE = {
    "binomial": lambda k, n: scipy.stats.binom.pmf(k, n, CHANCE),
    "geometric": lambda k, n: scipy.stats.geom.pmf(k + 1, CHANCE),
    "negative binomial": lambda k, n: scipy.stats.nbinom.pmf(k, n, CHANCE),
    "Poisson": lambda k, n: scipy.stats.poisson.pmf(k, RATE),
}


@pytest.mark.concept("dist.discrete-network")
@pytest.mark.concept("dist.process-network")
@pytest.mark.parametrize("name", BY_NAME)
def test_identities_hold_for_every_n_and_limits_are_approached(name):
    step = BY_NAME[name]
    gaps = [step.compare(n).gap for n in (1, 2, 5, 13, 32)]
    if step.kind == "identity":
        assert max(gaps) < 1e-12
    else:
        assert all(later < earlier for earlier, later in itertools.pairwise(gaps))
        assert gaps[-1] < gaps[0] / 4


@pytest.mark.concept("dist.discrete-network")
@pytest.mark.parametrize("name", [n for n, s in BY_NAME.items() if s.child in DISCRETE])
def test_formulas_of_counts_are_those_of_scipy(name):
    step = BY_NAME[name]
    for n in (1, 4, 11):
        found = step.compare(n)
        expected = torch.from_numpy(DISCRETE[step.child](found.values.numpy(), n))
        torch.testing.assert_close(found.formula, expected, rtol=0, atol=1e-13)
        assert found.discrete


@pytest.mark.concept("dist.process-network")
def test_formulas_of_waits_and_shares_are_those_of_scipy():
    wait = link("exponential", "gamma").compare(3)
    expected = scipy.stats.gamma.pdf(wait.values.numpy(), 4, scale=1 / RATE)
    torch.testing.assert_close(wait.formula, torch.from_numpy(expected), rtol=0, atol=1e-12)
    later = link("Poisson", "gamma").compare(3)
    expected = scipy.stats.gamma.cdf(later.values.numpy(), 3, scale=1 / RATE)
    torch.testing.assert_close(later.built, torch.from_numpy(expected), rtol=0, atol=1e-12)
    share = link("gamma", "beta").compare(4)
    expected = scipy.stats.beta.pdf(share.values.numpy(), 4, 2)
    torch.testing.assert_close(share.built, torch.from_numpy(expected), rtol=0, atol=1e-12)
    assert not (wait.discrete or later.discrete or share.discrete)


@pytest.mark.concept("dist.discrete-network")
def test_limits_have_the_distances_known_for_them():
    """Total variation to the Poisson law, and 1 − (1 − λ/n)^n against e^(−λ) at t = 1."""
    found = link("binomial", "Poisson").compare(10)
    k = range(200)
    apart = scipy.stats.binom.pmf(k, 10, RATE / 10) - scipy.stats.poisson.pmf(k, RATE)
    assert abs(found.gap - abs(apart).sum() / 2) < 1e-12
    found = link("geometric", "exponential").compare(10)
    at_one = int((found.values - 1).abs().argmin())
    assert abs(found.built[at_one] - (1 - 0.7**10)) < 1e-12


@pytest.mark.concept("dist.process-network")
def test_the_tree_grows_from_one_root_and_the_only_way_back_is_by_conditioning():
    graph = networkx.DiGraph((step.parent, step.child) for step in LINKS)
    assert networkx.descendants(graph, "Bernoulli") >= {"normal", "gamma", "Dirichlet", "Poisson"}
    graph.remove_edge("Poisson", "binomial")
    assert networkx.is_directed_acyclic_graph(graph)
    assert [node for node in graph if graph.in_degree(node) == 0] == ["Bernoulli"]
    assert all(step.question.endswith("?") for step in LINKS)


def test_unknown_links_and_numbers_get_one_line(as_user):
    with pytest.raises(ArgumentError, match="expected a link of the tree, got 'beta', 'Poisson'"):
        link("beta", "Poisson")
    for step in LINKS:
        with pytest.raises(ArgumentError, match="n: expected a whole number >= 1, got 0"):
            step.compare(0)
