"""Graph worlds against sums over all labelled graphs, networkx, scipy and slow plain Python.

Tolerance 1e-12 where both roads add a few thousand float64 terms; samples are held to a
chi-square p-value above 1e-3 with a fixed seed.
"""

import itertools
import math

import networkx as nx
import numpy as np
import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.tasks import Intractable
from course_utils.worlds.graphs import (
    BlockModel,
    ErdosRenyiGraphs,
    GilbertGraphs,
    LatentBlockModel,
    Molecules,
    PreferentialAttachment,
    all_graphs,
    relabel,
)

THETA = torch.tensor([[0.8, 0.15], [0.15, 0.6]], dtype=torch.float64)
PI = torch.tensor([0.7, 0.3], dtype=torch.float64)
BLOCKS = torch.tensor([0, 0, 1, 0, 1])

WORLDS = {
    "gilbert": lambda n: GilbertGraphs(n, 0.3),
    "erdos-renyi": lambda n: ErdosRenyiGraphs(n, 4),
    "blocks": lambda n: BlockModel(BLOCKS[:n], THETA),
    "latent": lambda n: LatentBlockModel(n, PI, THETA),
    "attachment-1": lambda n: PreferentialAttachment(n, 1),
    "attachment-2": lambda n: PreferentialAttachment(n, 2),
}
EXCHANGEABLE = ("gilbert", "erdos-renyi", "latent")
each_world = pytest.mark.parametrize("name", WORLDS)


def edges(x):
    """Edges of one adjacency matrix by networkx."""
    return set(nx.from_numpy_array(x.numpy()).edges)


def chi_square(world, graphs, generator, num_samples=6000):
    """P-value of samples against the probabilities of the listed graphs; rare ones pooled."""
    codes = {tuple(x.flatten().tolist()): k for k, x in enumerate(graphs)}
    drawn = world.sample(num_samples, generator=generator).flatten(1).tolist()
    counts = np.bincount([codes[tuple(x)] for x in drawn], minlength=len(graphs))
    expected = world.log_prob(graphs).exp().numpy() * num_samples
    assert counts[expected == 0].sum() == 0
    often = expected >= 5
    observed, wanted = list(counts[often]), list(expected[often])
    if expected[~often].sum() >= 5:
        observed.append(counts[~often].sum())
        wanted.append(expected[~often].sum())
    assert abs(sum(wanted) - sum(observed)) < 5
    wanted = np.array(wanted) * sum(observed) / sum(wanted)
    return scipy.stats.chisquare(observed, wanted).pvalue


@each_world
@pytest.mark.parametrize("num_nodes", [4, 5])
def test_probabilities_sum_to_one_and_give_the_entropy(name, num_nodes):
    world = WORLDS[name](num_nodes)
    log_probs = world.log_prob(all_graphs(num_nodes))
    assert log_probs.dtype == torch.float64
    probs = log_probs.exp().numpy()
    assert abs(probs.sum() - 1) < 1e-12
    assert abs(world.entropy().item() - scipy.stats.entropy(probs)) < 1e-12


@each_world
def test_samples_follow_the_probabilities(name, generator):
    assert chi_square(WORLDS[name](4), all_graphs(4), generator) > 1e-3
    assert chi_square(WORLDS[name](5), all_graphs(5), generator) > 1e-3


@each_world
def test_renumbering_the_nodes(name, generator):
    world, order = WORLDS[name](5), torch.tensor([3, 2, 4, 1, 0])
    graphs = all_graphs(5)
    change = (world.log_prob(relabel(graphs, order)) - world.log_prob(graphs)).nan_to_num(0)
    assert bool(change.abs().max() < 1e-12) == (name in EXCHANGEABLE)


def test_relabel_moves_the_edges():
    order = torch.tensor([2, 0, 3, 1])
    x = torch.zeros(1, 4, 4, dtype=torch.int64)
    x[0, 2, 3] = x[0, 3, 2] = 1
    assert edges(relabel(x, order)[0]) == {(0, 2)}


def test_all_graphs_are_different_and_the_known_number_is_connected():
    graphs = all_graphs(4)
    assert len({frozenset(edges(x)) for x in graphs}) == 64
    assert sum(nx.is_connected(nx.from_numpy_array(x.numpy())) for x in graphs) == 38


def test_gilbert_degrees_are_binomial_and_not_poisson():
    probs = GilbertGraphs(6, 0.3).degree_probs()
    truth = scipy.stats.binom.pmf(np.arange(6), 5, 0.3)
    np.testing.assert_allclose(probs, np.tile(truth, (6, 1)), atol=1e-12)
    assert np.abs(probs[0].numpy() - scipy.stats.poisson.pmf(np.arange(6), 1.5)).max() > 0.01


def test_block_degrees_equal_enumeration():
    world, graphs = BlockModel(BLOCKS, THETA), all_graphs(5)
    one_hot = torch.nn.functional.one_hot(graphs.sum(-1), 5).double()
    truth = torch.einsum("g,gnd->nd", world.log_prob(graphs).exp(), one_hot)
    torch.testing.assert_close(world.degree_probs(), truth, atol=1e-12, rtol=0)


def test_block_model_edge_by_edge(generator):
    world = BlockModel(BLOCKS, THETA)
    for x in world.sample(5, generator=generator):
        total = 0.0
        for i, j in itertools.combinations(range(5), 2):
            p = THETA[BLOCKS[i], BLOCKS[j]].item()
            total += math.log(p if (i, j) in edges(x) else 1 - p)
        assert abs(world.log_prob(x[None]).item() - total) < 1e-12


def test_certain_edges_give_finite_answers():
    for p, possible in [(0.0, 0), (1.0, 6)]:
        world = GilbertGraphs(4, p)
        log_probs = world.log_prob(all_graphs(4))
        number = all_graphs(4).sum((1, 2)) // 2
        assert world.entropy() == 0
        assert log_probs[number == possible].tolist() == [0.0]
        assert bool((log_probs[number != possible] == -torch.inf).all())


def test_known_pairs_are_kept_and_the_rest_follows_the_conditional(generator):
    known = torch.full((4, 4), -1).fill_diagonal_(0)
    known[0, 1] = known[1, 0] = 1
    known[2, 3] = known[3, 2] = 0
    for world in (ErdosRenyiGraphs(4, 3), BlockModel(BLOCKS[:4], THETA)):
        graphs = all_graphs(4)
        graphs = graphs[(graphs[:, 0, 1] == 1) & (graphs[:, 2, 3] == 0)]
        probs = world.log_prob(graphs).softmax(0)
        x = world.sample(4000, condition=known, generator=generator)
        counts = (x[:, None] == graphs).all(-1).all(-1).sum(0)
        assert counts.sum() == 4000
        kept = probs > 0
        assert counts[~kept].sum() == 0
        assert scipy.stats.chisquare(counts[kept], 4000 * probs[kept]).pvalue > 1e-3


def test_latent_blocks_mix_the_block_models():
    world, graphs = LatentBlockModel(4, PI, THETA), all_graphs(4)
    terms = []
    for z in world.assignments():
        terms.append(PI.log()[z].sum() + BlockModel(z, THETA).log_prob(graphs))
    joint = torch.stack(terms, 1)
    torch.testing.assert_close(world.log_prob(graphs), joint.logsumexp(1), atol=1e-12, rtol=0)
    truth = (joint - joint.logsumexp(1, keepdim=True)).exp()
    torch.testing.assert_close(world.posterior(graphs), truth, atol=1e-12, rtol=0)


def test_latent_block_marginals_equal_plain_sums(generator):
    world = LatentBlockModel(4, PI, THETA)
    x = world.sample(3, generator=generator)
    nodes, same = torch.zeros(3, 4, 2).double(), torch.zeros(3, 4, 4).double()
    for z, p in zip(itertools.product(range(2), repeat=4), world.posterior(x).T, strict=True):
        for i, j in itertools.product(range(4), repeat=2):
            same[:, i, j] += p * (z[i] == z[j])
            nodes[:, i, z[i]] += p / 4
    torch.testing.assert_close(world.block_posterior(x), nodes, atol=1e-12, rtol=0)
    torch.testing.assert_close(world.same_block(x), same, atol=1e-12, rtol=0)


def test_latent_posterior_is_the_frequency_of_blocks_among_samples(generator):
    world = LatentBlockModel(3, PI, THETA)
    x, z = world.sample_with_blocks(20000, generator=generator)
    triangle = x.sum((1, 2)) == 6
    posterior = world.posterior(1 - torch.eye(3).long().unsqueeze(0))[0]
    counts = np.bincount((z[triangle] * torch.tensor([4, 2, 1])).sum(-1), minlength=8)
    assert scipy.stats.chisquare(counts, posterior * counts.sum()).pvalue > 1e-3


def test_latent_blocks_with_impossible_edges():
    apart = torch.tensor([[0.5, 0.0], [0.0, 0.5]], dtype=torch.float64)
    world = LatentBlockModel(3, PI, apart)
    path = torch.tensor([[[0, 1, 0], [1, 0, 1], [0, 1, 0]]])
    truth = (0.7**3 + 0.3**3) / 8
    assert abs(world.log_prob(path).exp().item() - truth) < 1e-12
    given = world.sample(50, condition=torch.tensor([0, -1, 1]))
    assert given[:, 0, 2].sum() == 0


def grow(x, num_links):
    """Probability of one graph, neighbour by neighbour in every order, by networkx degrees."""
    graph, total = nx.from_numpy_array(x.numpy()), 1.0
    for t in range(num_links + 1, len(graph)):
        earlier = graph.subgraph(range(t))
        chosen = [i for i in graph[t] if i < t]
        by_order = 0.0
        for order in itertools.permutations(chosen):
            urn, p = [i for i in range(t) for _ in range(earlier.degree(i))], 1.0
            for i in order:
                p *= urn.count(i) / len(urn)
                urn = [j for j in urn if j != i]
            by_order += p
        total *= by_order
    return total


@pytest.mark.parametrize("num_links", [1, 2, 3])
def test_attachment_equals_drawing_from_an_urn(num_links):
    world = PreferentialAttachment(6, num_links)
    graphs = world.support()
    assert len({frozenset(edges(x)) for x in graphs}) == len(graphs)
    truth = [grow(x, num_links) for x in graphs]
    np.testing.assert_allclose(world.log_prob(graphs).exp(), truth, atol=1e-12)
    assert abs(sum(truth) - 1) < 1e-12
    assert abs(world.entropy().item() - scipy.stats.entropy(truth)) < 1e-12


def test_attachment_grows_connected_graphs_with_hubs(generator):
    world = PreferentialAttachment(40, 2)
    x = world.sample(200, generator=generator)
    assert bool((world.log_prob(x) > -torch.inf).all())
    for graph in map(nx.from_numpy_array, x[:10].numpy()):
        assert nx.is_connected(graph)
        assert graph.number_of_edges() == 3 + 2 * 37
    matched = GilbertGraphs(40, 77 / 780).sample(200, generator=generator)
    assert (
        x.sum(-1).max(-1).values.double().mean() > 1.5 * matched.sum(-1).double().max(-1)[0].mean()
    )


def test_attachment_continues_a_given_graph(generator):
    world, start = PreferentialAttachment(5, 1), torch.tensor([[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    x = world.sample(3000, condition=start, generator=generator)
    assert bool((x[:, :3, :3] == start).all())
    graphs = world.support()
    graphs = graphs[(graphs[:, :3, :3] == start).all(-1).all(-1)]
    counts = (x[:, None] == graphs).all(-1).all(-1).sum(0)
    expected = world.log_prob(graphs).softmax(0) * 3000
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


def plain_molecules(num_atoms, elements, bonds):
    """Weights of all valid (bond matrix, elements), found with networkx and plain loops."""
    pairs = list(itertools.combinations(range(num_atoms), 2))
    weights = {}
    for orders in itertools.product(range(4), repeat=len(pairs)):
        graph = nx.Graph()
        graph.add_nodes_from(range(num_atoms))
        graph.add_weighted_edges_from(
            (i, j, k) for (i, j), k in zip(pairs, orders, strict=True) if k
        )
        if not nx.is_connected(graph):
            continue
        for atoms in itertools.product(range(3), repeat=num_atoms):
            if all(d <= (4, 3, 2)[atoms[i]] for i, d in graph.degree(weight="weight")):
                weight = math.prod(elements[a] for a in atoms)
                weight *= math.prod(bonds[k - 1] for k in orders if k)
                weights[orders, atoms] = weight
    return weights


@pytest.mark.parametrize("num_atoms", [2, 3, 4])
def test_molecules_equal_plain_enumeration(num_atoms):
    elements, bonds = (3.0, 1.0, 2.0), (1.0, 0.5, 0.2)
    world = Molecules(num_atoms, elements, bonds)
    weights = plain_molecules(num_atoms, elements, bonds)
    total, matrices = sum(weights.values()), sorted({orders for orders, _ in weights})
    rows, columns = torch.triu_indices(num_atoms, num_atoms, 1)
    x = torch.zeros(len(weights), num_atoms, num_atoms, dtype=torch.int64)
    x[:, rows, columns] = x[:, columns, rows] = torch.tensor([o for o, _ in weights])
    atoms = torch.tensor([a for _, a in weights])
    probs = np.array(list(weights.values())) / total
    np.testing.assert_allclose(world.joint_log_prob(x, atoms).exp(), probs, atol=1e-12)
    assert world.num_valid == len(weights)
    assert len(world.bonds) == len(matrices)
    marginal = [
        sum(p for p, (o, _) in zip(probs, weights, strict=True) if o == m)
        for m in (matrices if num_atoms < 4 else matrices[:40])
    ]
    wanted = torch.zeros(len(marginal), num_atoms, num_atoms, dtype=torch.int64)
    picked = torch.tensor(matrices[: len(marginal)])
    wanted[:, rows, columns] = wanted[:, columns, rows] = picked
    np.testing.assert_allclose(world.log_prob(wanted).exp(), marginal, atol=1e-12)
    assert abs(world.joint_entropy().item() - scipy.stats.entropy(probs)) < 1e-12
    every = world.log_prob(world.bonds).exp()
    assert abs(every.sum().item() - 1) < 1e-12
    assert abs(world.entropy().item() - scipy.stats.entropy(every)) < 1e-12


def test_uniform_molecules():
    world = Molecules(4)
    assert abs(world.joint_entropy().item() - math.log(world.num_valid)) < 1e-12
    order = torch.tensor([2, 0, 3, 1])
    x = world.bonds
    torch.testing.assert_close(
        world.log_prob(relabel(x, order)), world.log_prob(x), atol=1e-12, rtol=0
    )


def test_molecule_samples_follow_the_probabilities(generator):
    world = Molecules(3, (3.0, 1.0, 2.0), (1.0, 0.5, 0.2))
    assert chi_square(world, world.bonds, generator) > 1e-3
    x, atoms = world.sample_with_atoms(200, generator=generator)
    assert bool((world.joint_log_prob(x, atoms) > -torch.inf).all())
    given = torch.tensor([2, -1, 2])
    x, atoms = world.sample_with_atoms(50, condition=given, generator=generator)
    assert bool((atoms[:, [0, 2]] == 2).all())
    assert bool((world.joint_log_prob(x, atoms) > -torch.inf).all())


def test_elements_of_carbon_dioxide():
    world = Molecules(3, (1.0, 1.0, 5.0))
    x = torch.tensor([[[0, 2, 0], [2, 0, 2], [0, 2, 0]]])
    posterior = dict(zip(map(tuple, world.atoms.tolist()), world.posterior(x)[0], strict=True))
    assert abs(posterior[2, 0, 2].item() - 25 / 49) < 1e-12
    assert posterior[2, 1, 2] == 0


def test_impossible_molecules_have_probability_zero():
    world = Molecules(3)
    apart = torch.tensor([[[0, 1, 0], [1, 0, 0], [0, 0, 0]]])
    crowded = torch.tensor([[[0, 3, 0], [3, 0, 2], [0, 2, 0]]])
    assert world.log_prob(torch.cat([apart, crowded])).tolist() == [-math.inf, -math.inf]


def test_float32_agrees_with_float64():
    graphs = all_graphs(5)
    pairs = [
        (LatentBlockModel(5, PI.float(), THETA.float()), WORLDS["latent"](5)),
        (GilbertGraphs(5, 0.3, dtype=torch.float32), WORLDS["gilbert"](5)),
        (PreferentialAttachment(5, 2, dtype=torch.float32), WORLDS["attachment-2"](5)),
        (ErdosRenyiGraphs(5, 4, dtype=torch.float32), WORLDS["erdos-renyi"](5)),
    ]
    for single, double in pairs:
        value = single.log_prob(graphs)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), double.log_prob(graphs), atol=1e-4, rtol=0)


def test_absent_tasks_say_why():
    for name in ("gilbert", "erdos-renyi", "blocks", "attachment-1"):
        with pytest.raises(Intractable, match="nothing is hidden"):
            WORLDS[name](4).posterior(all_graphs(4))
    with pytest.raises(Intractable, match="nothing is left to fit"):
        Molecules(2).loss(None)


ONE = torch.ones(1, 3, 3).long()
BAD = {
    "shape": (lambda: GilbertGraphs(4, 0.5).log_prob(ONE), "x: expected shape"),
    "loop": (lambda: GilbertGraphs(3, 0.5).log_prob(ONE), "x: expected a zero diagonal"),
    "symmetric": (lambda: GilbertGraphs(3, 0.5).log_prob(ONE.triu(1)), "x: expected symmetric"),
    "weighted": (lambda: GilbertGraphs(3, 0.5).log_prob(2 * ONE), "x: expected values <= 1"),
    "dtype": (lambda: GilbertGraphs(3, 0.5).log_prob(ONE.double()), "x: expected dtype integer"),
    "prob": (lambda: GilbertGraphs(3, 1.5), "edge_prob: expected a number"),
    "edges": (lambda: ErdosRenyiGraphs(3, 4), "num_edges: expected a whole number"),
    "room": (
        lambda: ErdosRenyiGraphs(3, 1).sample(1, condition=ONE[0].clone().fill_diagonal_(0)),
        "condition: expected room for 1 edges",
    ),
    "theta": (lambda: BlockModel(BLOCKS, THETA.triu()), "edge_probs: expected a symmetric matrix"),
    "block": (lambda: BlockModel(BLOCKS + 1, THETA), "blocks: expected values <= 1"),
    "large": (
        lambda: LatentBlockModel(17, PI, THETA).posterior(torch.zeros(1, 17, 17).long()),
        r"num_nodes: expected at most 65536 assignments .* got 2\^17 = 131072",
    ),
    "large entropy": (
        lambda: LatentBlockModel(7, PI, THETA).entropy(),
        "num_nodes: expected a whole number >= 2 and <= 6, got 7",
    ),
    "many": (lambda: PreferentialAttachment(20, 1).entropy(), "num_nodes: expected at most 50000"),
    "links": (lambda: PreferentialAttachment(3, 3), "num_nodes: expected a whole number >= 4"),
    "start": (
        lambda: PreferentialAttachment(5, 1).sample(1, condition=torch.zeros(3, 3).long()),
        "condition: expected a graph that can grow",
    ),
    "atoms": (lambda: Molecules(6), "num_atoms: expected a whole number >= 2 and <= 5"),
    "none": (
        lambda: Molecules(2, (0.0, 0.0, 1.0), (0.0, 0.0, 1.0)),
        "element_weights, bond_weights: expected a molecule",
    ),
    "hidden": (
        lambda: Molecules(3).posterior(torch.zeros(1, 3, 3).long()),
        "x: expected molecules that can occur",
    ),
    "order": (lambda: relabel(ONE, torch.tensor([0, 0, 1])), "order: expected a permutation"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_line(case, as_user):
    call, message = BAD[case]
    with pytest.raises(ArgumentError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
