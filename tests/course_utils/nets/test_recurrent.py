"""One step written out against PyTorch's layers, and derivatives against products of gates."""

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.nets.recurrent import LSTM, RNN, unroll

KINDS = {"rnn": (RNN, nn.RNN), "lstm": (LSTM, nn.LSTM)}


def random_pair(kind, generator, num_inputs=3, hidden=5):
    """A recurrence of ours with random weights, and PyTorch's layer with a copy of them."""
    ours, theirs = (cls(num_inputs, hidden).double() for cls in KINDS[kind])
    ours = ours.double()
    for weight in ours.parameters():
        nn.init.normal_(weight, std=0.7, generator=generator)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    with torch.no_grad():
        for name in names:
            getattr(theirs, name).copy_(getattr(ours.kernel, name))
    return ours, theirs


@pytest.mark.concept("ar.lstm")
@pytest.mark.parametrize("kind", KINDS)
def test_steps_equal_the_layer_of_pytorch_with_the_same_weights(kind, generator):
    ours, theirs = random_pair(kind, generator)
    x = torch.randn(4, 7, 3, generator=generator, dtype=torch.float64)
    start = tuple(
        torch.randn(4, 5, generator=generator, dtype=torch.float64) for _ in ours.start(4)
    )
    states = unroll(ours, x, start)
    first = start[0][None] if kind == "rnn" else tuple(vector[None] for vector in start)
    outputs, last = theirs(x.transpose(0, 1), first)  # theirs has time first
    wanted = [last] if kind == "rnn" else last
    torch.testing.assert_close(torch.stack([s[0] for s in states]), outputs, atol=1e-12, rtol=0)
    for vector, want in zip(states[-1], wanted, strict=True):
        torch.testing.assert_close(vector, want[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given_state", [False, True])
def test_the_fast_run_equals_the_steps(kind, given_state, generator):
    ours, _ = random_pair(kind, generator)
    x = torch.randn(4, 6, 3, generator=generator, dtype=torch.float64)
    state = unroll(ours, x)[1] if given_state else None
    outputs, last = ours(x, state)
    states = unroll(ours, x, state)
    torch.testing.assert_close(outputs, torch.stack([s[0] for s in states], 1), atol=1e-12, rtol=0)
    assert len(last) == len(states[-1]) == ours.num_vectors
    for vector, want in zip(last, states[-1], strict=True):
        torch.testing.assert_close(vector, want, atol=1e-12, rtol=0)


def cell_jacobian(lstm, x):
    """d c_T / d c_0 for one sequence, with h_0 = 0."""

    def last_cell(c):
        return unroll(lstm, x, (torch.zeros_like(c)[None], c[None]))[-1][1][0]

    start = torch.linspace(-1, 1, lstm.hidden, dtype=x.dtype)
    return torch.autograd.functional.jacobian(last_cell, start)


@pytest.mark.concept("ar.lstm")
def test_without_recurrent_weights_the_cells_derivative_is_the_product_of_forget_gates(generator):
    lstm, _ = random_pair("lstm", generator)
    with torch.no_grad():
        lstm.kernel.weight_hh_l0.zero_()
    x = torch.randn(1, 9, 3, generator=generator, dtype=torch.float64)
    kernel = lstm.kernel
    gates = torch.sigmoid(x[0] @ kernel.weight_ih_l0.T + kernel.bias_ih_l0 + kernel.bias_hh_l0)
    product = gates[:, 5:10].prod(0)  # PyTorch's order: write, forget, new, read
    torch.testing.assert_close(cell_jacobian(lstm, x), product.diag(), atol=1e-12, rtol=1e-9)
    assert product.max() < 1


@pytest.mark.concept("ar.lstm")
def test_with_recurrent_weights_the_cells_derivative_is_something_else(generator):
    lstm, _ = random_pair("lstm", generator)
    x = torch.randn(1, 3, 3, generator=generator, dtype=torch.float64)
    state, product = lstm.start(1), 1.0
    for now in x.unbind(1):
        product = product * lstm.gates(now, state[0])[1]
        state = lstm.step(now, state)
    assert not torch.allclose(cell_jacobian(lstm, x), product[0].diag(), rtol=0.1)


def test_an_rnns_derivative_shrinks_at_least_with_the_largest_singular_value(generator):
    """|d h_T / d h_0| <= s^T, because tanh has slopes of at most one."""
    rnn, _ = random_pair("rnn", generator)
    with torch.no_grad():
        norm = torch.linalg.matrix_norm(rnn.kernel.weight_hh_l0, 2)
        rnn.kernel.weight_hh_l0.mul_(0.8 / norm)
    x = torch.randn(1, 10, 3, generator=generator, dtype=torch.float64)
    for steps in (1, 4, 10):
        jacobian = torch.autograd.functional.jacobian(
            lambda h: unroll(rnn, x[:, :steps], (h[None],))[-1][0][0],  # noqa: B023
            torch.zeros(5, dtype=torch.float64),
        )
        assert 0 < torch.linalg.matrix_norm(jacobian, 2) <= 0.8**steps + 1e-12


@pytest.mark.parametrize("bias", [0.0, 1.0, -2.5])
def test_forget_gates_start_at_their_bias(bias):
    lstm = LSTM(3, 4, forget_bias=bias)
    i, f, g, o = lstm.gates(torch.zeros(2, 3), torch.zeros(2, 4))
    torch.testing.assert_close(f, torch.tensor(bias).sigmoid().expand(2, 4))
    assert bool((i == 0.5).all() and (g == 0).all() and (o == 0.5).all())


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^hidden: expected a whole number >= 1, got 0$"):
        RNN(3, 0)
    with pytest.raises(ArgumentError, match=r"^num_inputs: expected a whole number >= 1, got 0$"):
        LSTM(0, 3)
    with pytest.raises(ArgumentError, match=r"^forget_bias: expected a number, got nan$"):
        LSTM(3, 3, forget_bias=float("nan"))
