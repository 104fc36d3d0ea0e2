"""Accepted strings against Python's JSON reader and SQLite; laws against enumeration."""

import itertools
import json
import re
import sqlite3

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.distributions import CategoricalHead, sample_dirichlet
from course_utils.samplers.constrained import (
    Automaton,
    acceptance_log_prob,
    conditioned_markov,
    masked,
)
from course_utils.samplers.decoding import ancestral
from course_utils.samplers.enumeration import from_prefixes, sequence_log_probs, sequences
from course_utils.samplers.grammars import (
    END,
    JSON_TOKENS,
    SQL_TOKENS,
    json_grammar,
    spell,
    sql_grammar,
)
from course_utils.worlds.sequences import HiddenMarkovSource, MarkovSource


def even_ones():
    """Strings of 0, 1 and 2 in which 1 occurs an even number of times and 2 never follows 1."""

    def step(configuration, symbol):
        odd, last = configuration
        return None if (last, symbol) == (1, 2) else (odd ^ (symbol == 1), symbol)

    return Automaton.from_steps((False, 0), step, lambda c: not c[0], 3)


def obeys(x):
    return x.count(1) % 2 == 0 and (1, 2) not in set(itertools.pairwise(x))


def depth_of(text):
    """Most brackets open at a time; the tokens hold no bracket inside a string."""
    steps = itertools.accumulate((c in "[{") - (c in "]}") for c in text)
    return max(steps, default=0)


def is_json(text, depth):
    try:
        json.loads(text)
    except ValueError:
        return False
    return depth_of(text) <= depth


def test_the_automaton_accepts_what_its_reader_accepts():
    x = sequences(3, 5)
    wanted = [row for row in x.tolist() if obeys(row)]
    assert even_ones().strings(5).tolist() == wanted
    assert x[even_ones().accepts(x)].tolist() == wanted


@pytest.mark.concept("app.text-domains")
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_json_grammar_accepts_what_python_reads(depth):
    """All 10^5 strings of five tokens, and the shorter ones; json.loads is the judge."""
    automaton = json_grammar(depth)
    end = JSON_TOKENS.index(END)
    x = sequences(11, 5, end=end)
    x = x[x[:, 0] != end]
    texts = spell(x, JSON_TOKENS)
    ended = (x[:, -1] == end).tolist()
    wanted = [e and is_json(t, depth) for e, t in zip(ended, texts, strict=True)]
    assert automaton.accepts(x).tolist() == wanted
    assert sum(wanted) > 0


@pytest.mark.concept("app.text-domains")
def test_every_accepted_query_runs_in_sqlite_and_no_other_of_that_form_is_accepted():
    automaton = sql_grammar()
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE goods (name, price)")
    database.execute("CREATE TABLE shops (name, city)")
    accepted = set(spell(automaton.strings(11), SQL_TOKENS))
    for query in accepted:
        database.execute(query)
    column, most = "(name|price|city)", 3
    wanted = set()
    for size, table in itertools.product(range(1, most + 1), ("goods", "shops")):
        for columns in itertools.product(("name", "price", "city"), repeat=size):
            stem = "SELECT " + " , ".join(columns) + f" FROM {table}"
            for query in (stem, *(f"{stem} WHERE {c} = 1" for c in ("name", "price", "city"))):
                try:
                    database.execute(query)
                except sqlite3.OperationalError:
                    continue
                wanted.add(query)
    few = re.compile(rf"SELECT {column}( , {column}){{0,{most - 1}}} FROM .*")
    assert {query for query in accepted if few.fullmatch(query)} == {
        query for query in wanted if len(query.split()) <= 10
    }
    assert len(wanted) > 50


@pytest.mark.concept("app.text-domains")
@pytest.mark.parametrize("name", ["json", "sql"])
def test_all_of_1000_samples_are_accepted(name, generator):
    tokens = JSON_TOKENS if name == "json" else SQL_TOKENS
    automaton = json_grammar() if name == "json" else sql_grammar()
    source = MarkovSource.random(len(tokens), generator=generator)
    free = from_prefixes(source.conditional)
    head = CategoricalHead(len(tokens))
    samples = ancestral(masked(free, automaton, 12), head, 1000, 12, generator=generator)
    assert automaton.accepts(samples).all()
    texts = spell(samples, tokens)
    if name == "json":
        assert all(is_json(text, 2) for text in texts)
    else:
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE goods (name, price)")
        database.execute("CREATE TABLE shops (name, city)")
        for text in texts:
            database.execute(text)
    assert len(set(texts)) > 20
    unconstrained = ancestral(free, head, 1000, 12, generator=generator)
    assert automaton.accepts(unconstrained).double().mean() < 0.1


@pytest.mark.concept("app.text-domains")
def test_masked_probabilities_are_the_renormalised_ones_at_every_prefix(generator):
    """The model has a memory, so that the mask alone does not decide."""
    source = HiddenMarkovSource.random(2, 3, generator=generator)
    wanted = []
    accepted = [tuple(row) for row in sequences(3, 4).tolist() if obeys(row)]
    for row in accepted:
        total = 0.0
        for t in range(4):
            probs = source.conditional(torch.tensor([row[:t]], dtype=torch.int64))[0]
            allowed = sorted({other[t] for other in accepted if other[:t] == row[:t]})
            total += (probs[row[t]] / probs[allowed].sum()).log().item()
        wanted.append(total)
    model = masked(from_prefixes(source.conditional), even_ones(), 4)
    result = sequence_log_probs(model, torch.tensor(accepted))
    torch.testing.assert_close(
        result, torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=1e-12
    )
    assert result.exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.concept("app.text-domains")
def test_conditioned_markov_is_bayes_rule_and_masking_is_not(generator):
    source = MarkovSource.random(3, generator=generator, concentration=0.5)
    initial, transition = source.initial.log(), source.transition.log()
    x = sequences(3, 6)
    accepted = torch.tensor([obeys(row) for row in x.tolist()])
    probs = source.log_prob(x).exp() * accepted
    conditionals = conditioned_markov(initial, transition, even_ones(), 6)
    result = sequence_log_probs(conditionals, x[accepted]).exp()
    torch.testing.assert_close(result, (probs / probs.sum())[accepted], rtol=0, atol=1e-12)
    share = acceptance_log_prob(initial, transition, even_ones(), 6).exp()
    assert share.item() == pytest.approx(probs.sum().item(), abs=1e-12)
    by_mask = masked(from_prefixes(source.conditional), even_ones(), 6)
    difference = sequence_log_probs(by_mask, x[accepted]).exp() - result
    assert difference.abs().sum().item() / 2 > 0.05


def test_samples_of_the_conditioned_model_pass_chi_square(generator):
    rows = sample_dirichlet((4, 3), generator=generator)
    conditionals = conditioned_markov(rows[3].log(), rows[:3].log(), even_ones(), 3)
    samples = ancestral(conditionals, CategoricalHead(3), 50_000, 3, generator=generator)
    x = even_ones().strings(3)
    counts = (samples[:, None] == x).all(-1).sum(0)
    probs = torch.stack([rows[3][a] * rows[a, b] * rows[b, c] for a, b, c in x.tolist()])
    assert counts.sum() == 50_000
    expected = (probs / probs.sum() * 50_000).numpy()
    assert stats.chisquare(counts.numpy(), expected).pvalue > 1e-3


def test_a_prefix_that_cannot_be_completed_leaves_the_model_as_it_is():
    model = masked(lambda x: torch.zeros(*x.shape, 3), even_ones(), 3)
    rows = model(torch.tensor([[1, 2, 0]]))[0]
    assert rows[1].tolist() == [0, 0, -torch.inf]
    assert rows[2].tolist() == [0, 0, 0]


def test_wrong_arguments_are_named_in_one_line(as_user):
    never = Automaton(torch.zeros(1, 2, dtype=torch.int64), torch.tensor([False]))
    with pytest.raises(ArgumentError, match=r"^length: expected one of an accepted string, got 3"):
        masked(lambda x: x, never, 3)
    with pytest.raises(ArgumentError, match=r"^next_state: expected values <= 0, got a value of 1"):
        Automaton(torch.ones(1, 2, dtype=torch.int64), torch.tensor([True]))
    with pytest.raises(ArgumentError, match=r"^step: expected at most 100000 configurations"):
        Automaton.from_steps(0, lambda c, _: c + 1, lambda _: True, 1)
    with pytest.raises(ArgumentError, match=r"^automaton.num_symbols: expected a whole number"):
        conditioned_markov(torch.zeros(2), torch.zeros(2, 2), even_ones(), 3)
    with pytest.raises(ArgumentError, match=r"^depth: expected a whole number >= 0, got -1$"):
        json_grammar(-1)
