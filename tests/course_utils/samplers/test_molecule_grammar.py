"""Molecules as strings: the automaton against a parser that builds the bonds and counts them."""

import itertools

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import CategoricalHead
from course_utils.samplers.constrained import conditioned_markov
from course_utils.samplers.decoding import ancestral
from course_utils.samplers.grammars import ATOM_VALENCES, MOLECULE_TOKENS, molecule_grammar


def is_valid(text, depth):
    """Read a string by building its atoms and bonds and counting them at the end."""
    try:
        atoms, bonds, rest = chain(text, depth)
    except ValueError:
        return False
    if rest:
        return False
    used = [0] * len(atoms)
    for i, j, order in bonds:
        used[i] += order
        used[j] += order
    return all(u <= ATOM_VALENCES[a] for u, a in zip(used, atoms, strict=True))


def chain(text, depth, atoms=None, bonds=None, hang=None):
    """chain = [bond] atom { "(" chain ")" } [chain]; raises ValueError where the text breaks it."""
    atoms, bonds = ([], []) if atoms is None else (atoms, bonds)
    order = {"=": 2, "#": 3}.get(text[:1], 1)
    if order > 1:
        if hang is None:
            raise ValueError("a bond with nothing before it")
        text = text[1:]
    if text[:1] not in ATOM_VALENCES or not text:
        raise ValueError("no atom")
    here = len(atoms)
    atoms.append(text[0])
    text = text[1:]
    if hang is not None:
        bonds.append((hang, here, order))
    while text[:1] == "(":
        if depth == 0:
            raise ValueError("too deep")
        *_, text = chain(text[1:], depth - 1, atoms, bonds, here)
        if text[:1] != ")":
            raise ValueError("not closed")
        text = text[1:]
    if text and text[0] != ")":
        *_, text = chain(text, depth, atoms, bonds, here)
    return atoms, bonds, text


@pytest.mark.concept("found.domain-examples")
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_automaton_accepts_what_the_parser_accepts(depth):
    automaton = molecule_grammar(depth)
    for length in (1, 2, 3, 4, 5):
        x = torch.tensor(list(itertools.product(range(len(MOLECULE_TOKENS)), repeat=length)))
        texts = ["".join(MOLECULE_TOKENS[i] for i in row) for row in x.tolist()]
        expected = torch.tensor([is_valid(text, depth) for text in texts])
        assert torch.equal(automaton.accepts(x), expected)


@pytest.mark.concept("found.domain-examples")
@pytest.mark.parametrize("text", ["CC(=O)O", "C#N", "FC(F)(F)F", "NCC(=O)O", "C(C(F)F)O", "OCO"])
def test_molecules_that_exist_are_accepted(text):
    depth = 2 if "C(C(" in text else 1
    x = torch.tensor([[MOLECULE_TOKENS.index(token) for token in text]])
    assert molecule_grammar(depth).accepts(x)
    assert is_valid(text, depth)


@pytest.mark.concept("found.domain-examples")
def test_counts_by_matrix_equal_counts_by_listing():
    automaton = molecule_grammar(1)
    size = len(automaton.next_state)
    moves = torch.zeros(size, size, dtype=torch.float64)
    moves.index_put_(
        (torch.arange(size)[:, None].expand_as(automaton.next_state), automaton.next_state),
        torch.ones((), dtype=torch.float64),
        accumulate=True,
    )
    for length in range(1, 9):
        by_matrix = torch.linalg.matrix_power(moves, length)[0] @ automaton.accepting.double()
        assert automaton.num_strings(length) == len(automaton.strings(length)) == int(by_matrix)
    assert molecule_grammar(1).num_strings(60) > 2**100


@pytest.mark.concept("found.domain-examples")
def test_every_sampled_string_is_valid_and_all_are_equally_likely(generator):
    automaton, size = molecule_grammar(1), len(MOLECULE_TOKENS)
    uniform = torch.zeros(size, dtype=torch.float64)
    step = conditioned_markov(uniform, torch.zeros(size, size).double(), automaton, 4)
    x = ancestral(step, CategoricalHead(size), num_samples=4000, length=4, generator=generator)
    texts = ["".join(MOLECULE_TOKENS[i] for i in row) for row in x.tolist()]
    assert all(is_valid(text, 1) for text in texts)
    every = automaton.strings(4)
    counts = (x[:, None] == every).all(-1).sum(0)
    expected = 4000 / len(every)
    assert ((counts - expected) ** 2 / expected).sum() < len(every) + 4 * (2 * len(every)) ** 0.5


def test_bad_arguments_get_one_line(as_user):
    with pytest.raises(ArgumentError, match="depth: expected a whole number >= 0, got -1"):
        molecule_grammar(-1)
    with pytest.raises(ArgumentError, match="length: expected a whole number >= 1, got 0"):
        molecule_grammar(0).num_strings(0)
