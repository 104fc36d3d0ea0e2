"""Handed-in weights: the gap is recomputed exactly, and a file that is none is named."""

import math

import pytest
import torch
from safetensors.torch import save, save_file

from course_utils.grading import answers, check, find_question, given, notebook
from course_utils.grading.judges.markov_weights import gap_of
from course_utils.worlds.sequences import MarkovSource

SOURCE = find_question("w01-markov").instances()[0].args["transition"]


def weights(context=2, embed=4, width=5, scale=0.0):
    generator = torch.Generator().manual_seed(3)
    shapes = {
        "embedding.weight": (6, embed),
        "hidden.weight": (width, context * embed),
        "hidden.bias": (width,),
        "output.weight": (6, width),
        "output.bias": (6,),
    }
    return {k: scale * torch.randn(shape, generator=generator) for k, shape in shapes.items()}


def table_network(context=(0, 1)):
    """A network that holds log p(x_t | pair) itself: a hidden unit for each pair of symbols.

    A unit saturates at tanh = 1 for its own pair and at -1 for every other one.
    """
    seen = torch.cartesian_prod(torch.arange(6), torch.arange(6))
    hidden = torch.zeros(36, 12)
    for position, column in enumerate(context):
        hidden[torch.arange(36), 6 * position + seen[:, column]] = 40.0
    logs = SOURCE.log().reshape(36, 6).float()
    return {
        "embedding.weight": torch.eye(6),
        "hidden.weight": hidden,
        "hidden.bias": torch.full((36,), -60.0),
        "output.weight": (logs.T / 2).contiguous(),
        "output.bias": logs.sum(0) / 2,
    }


def sharpened(power):
    """The true table, each row to a power and normalised."""
    network = table_network()
    return {k: v * power if k.startswith("output") else v for k, v in network.items()}


def test_a_uniform_network_lies_log_v_minus_the_rate_above():
    rate = float(MarkovSource(transition=SOURCE).entropy_rate())
    assert gap_of(weights(), SOURCE) == pytest.approx(math.log(6) - rate, abs=1e-10)


@pytest.mark.parametrize("context", [1, 2, 3])
def test_the_gap_equals_a_monte_carlo_estimate(context, generator, master):
    w = weights(context, scale=0.7)
    network = master.ContextNetwork(6, context, 4, 5)
    network.load_state_dict(w)
    x = MarkovSource(transition=SOURCE).sample(20_000, length=3, generator=generator)
    nats = SOURCE[x[:, -3], x[:, -2]].log().gather(1, x[:, -1:])[:, 0]
    if context == 3:
        x = MarkovSource(transition=SOURCE).sample(20_000, length=4, generator=generator)
        nats = SOURCE[x[:, -3], x[:, -2]].log().gather(1, x[:, -1:])[:, 0]
    with torch.no_grad():
        model = network(x[:, -context - 1 : -1]).log_softmax(-1).gather(1, x[:, -1:])[:, 0]
    difference = nats - model
    error = difference.std() / math.sqrt(len(x))
    assert abs(float(difference.mean()) - gap_of(w, SOURCE)) < 4 * error


def test_the_true_table_earns_everything():
    verdict = find_question("w01-markov").assess(save(table_network()))
    assert verdict.status == "right" and verdict.fraction == 1
    assert "0.0000 nats" in verdict.message


def test_half_the_points_between_the_limits(fails):
    network = sharpened(1.3)
    assert 0.02 < gap_of(network, SOURCE) <= 0.05
    assert fails("w01-markov", save(network), "gap", "more than 0.02").fraction == 0.5


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (weights(), "no better than uniform"),
        (weights(context=1, scale=0.1), "one symbol of context"),
        (table_network(context=(1, 0)), "oldest symbol first"),
        (sharpened(2.0), "larger learning rate"),
    ],
)
def test_advice_fits_the_shortfall(network, words, fails):
    fails("w01-markov", save(network), "gap", words)


def broken(name, value):
    return {**weights(), name: value}


@pytest.mark.parametrize(
    ("network", "category", "words"),
    [
        (broken("hidden.bias", torch.full((5,), math.nan)), "nan", "5 of 5 values"),
        (broken("hidden.bias", torch.zeros(4)), "shape", "hidden.bias: expected shape (5,)"),
        (broken("hidden.bias", torch.zeros(5).long()), "dtype", "floating-point"),
        (broken("embedding.weight", torch.zeros(5, 4)), "shape", "expected 6 rows"),
        (broken("hidden.weight", torch.zeros(5, 9)), "shape", "times 4 columns"),
        (broken("hidden.weight", torch.zeros(5, 24)), "shape", "1 to 5 symbols"),
        (broken("embedding.weight", torch.zeros(6, 0)), "shape", "embedding.weight"),
        (broken("output.bias", torch.full((6,), math.inf)), "nan", "NaN or infinite"),
        (weights(width=4000), "size", "more than the 20000 allowed"),
        ({"a": torch.zeros(1)}, "missing-tensor", "'embedding.weight'"),
    ],
)
def test_unusable_weights_are_named(network, category, words, fails):
    fails("w01-markov", save(network), category, words)


def test_what_is_no_file_of_weights_is_named(fails):
    fails("w01-markov", "w.safetensors", "missing-file", "no file 'w.safetensors'")
    fails("w01-markov", b"PK\x03\x04 no such thing", "not-safetensors", "cannot be read")
    fails("w01-markov", b"", "not-safetensors", "cannot be read")
    unknown = b'{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}'
    unknown = len(unknown).to_bytes(8, "little") + unknown + b"0"
    fails("w01-markov", unknown, "not-safetensors", "cannot be read")
    fails("w01-markov", weights(), "type", "the name of a .safetensors file")
    fails("w01-markov", bytes(answers.MAX_FILE_BYTES + 1), "size", "larger than")


def test_a_judge_opens_no_path_that_a_student_names(tmp_path, fails):
    save_file(table_network(), tmp_path / "w.safetensors")
    fails("w01-markov", str(tmp_path / "w.safetensors"), "missing-file", "no file")
    fails("w01-markov", tmp_path / "w.safetensors", "missing-file", "no file")


def test_a_notebook_reads_the_file_it_names(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(notebook, "_board", notebook._Board({}))
    save_file(table_network(), tmp_path / "w.safetensors")
    check("w01-markov", str(tmp_path / "w.safetensors"))
    assert capsys.readouterr().out.startswith("w01-markov: right.")
    for missing in (tmp_path, tmp_path / "none.safetensors", "a\0b"):
        check("w01-markov", missing)
        assert "not yet. There is no file" in capsys.readouterr().out


def test_the_source_itself_is_not_handed_out():
    assert set(given("w01-markov")) == {"tokens"}
