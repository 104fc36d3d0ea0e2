"""Recurrent layers against torch's LSTM cell, pixel by pixel."""

import pytest
import torch

from course_utils.nets.pixel_lstm import ConvLSTM, DiagonalBiLSTM, RowLSTM, skew, unskew
from course_utils.nets.receptive import depends_on


def cell_step(weights, inputs, state, memory):
    """One LSTM step by torch's own cell; its gates come as (i, f, g, o), ours as (o, f, i, g)."""
    channels = state.shape[1]
    cell = torch.nn.LSTMCell(4 * channels, channels, bias=False).double()
    out, forget, enter, value = torch.eye(4 * channels, dtype=torch.float64).chunk(4)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.cat([enter, forget, value, out]))
        o, f, i, g = weights.chunk(4)
        cell.weight_hh.copy_(torch.cat([i, f, g, o]))
    return cell(inputs, (state, memory))


@pytest.mark.concept("ar.pixelrnn")
def test_one_cell_without_neighbours_is_an_ordinary_lstm(generator):
    layer = ConvLSTM(3, before=0, after=0).double()
    inputs = torch.randn(2, 12, 5, 4, generator=generator, dtype=torch.float64)
    states = layer(inputs)
    for cell in range(4):
        h = c = torch.zeros(2, 3, dtype=torch.float64)
        for step in range(5):
            weights = layer.from_state.weight[:, :, 0]
            h, c = cell_step(weights, inputs[:, :, step, cell], h, c)
            torch.testing.assert_close(states[:, :, step, cell], h, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.pixelrnn")
@pytest.mark.parametrize("margin", [(1, 1), (1, 0), (2, 2)])
def test_state_to_state_reads_the_neighbours_it_should(margin, generator):
    layer = ConvLSTM(2, *margin).double()
    inputs = torch.randn(8, 2, 6, generator=generator, dtype=torch.float64)
    seen = depends_on(lambda x: layer(x[None])[0].sum(0), inputs).reshape(2, 6, 8, 2, 6).any(2)
    for cell in range(6):
        assert seen[1, cell, 1].nonzero().flatten().tolist() == [cell]
        low, high = max(0, cell - margin[0]), min(5, cell + margin[1])
        assert seen[1, cell, 0].nonzero().flatten().tolist() == list(range(low, high + 1))
        assert not seen[0, cell, 1].any()


@pytest.mark.concept("ar.pixelrnn")
def test_diagonal_layer_equals_a_loop_over_pixels(generator):
    """Each state from its left and upper neighbours' by torch's cell; the mirror image one down."""
    height, width, channels = 4, 3, 2
    layer = DiagonalBiLSTM(channels).double()
    x = torch.randn(1, channels, height, width, generator=generator, dtype=torch.float64)
    total = torch.zeros_like(x)
    for direction, image in enumerate((x, x.flip(3))):
        inputs = layer.from_input[direction](image)
        kernel = layer.recurrence[direction].from_state.weight
        states, memories = {}, {}
        nothing = torch.zeros(1, channels, dtype=torch.float64)
        for r in range(height):
            for c in range(width):
                left = states.get((r, c - 1), nothing)
                memory = memories.get((r, c - 1), nothing)
                above = states.get((r - 1, c), nothing)
                both = inputs[:, :, r, c] + above @ kernel[:, :, 0].T
                states[r, c], memories[r, c] = cell_step(kernel[:, :, 1], both, left, memory)
        for (r, c), state in states.items():
            if direction == 0:
                total[:, :, r, c] += state
            elif r + 1 < height:
                total[:, :, r + 1, width - 1 - c] += state
    torch.testing.assert_close(layer(x), total, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.pixelrnn")
def test_diagonal_layer_sees_every_earlier_pixel(generator):
    layer = DiagonalBiLSTM(2).double()
    x = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64)
    seen = depends_on(lambda image: layer(image[None])[0].sum(0), x)
    seen = seen.reshape(20, 2, 20).any(1)
    assert torch.equal(seen, torch.ones(20, 20).tril().bool())


@pytest.mark.concept("ar.pixelrnn")
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (4, 3), (1, 5), (5, 1)])
def test_skewing_moves_row_r_by_r_places_and_back(shape, generator):
    height, width = shape
    x = torch.randn(2, 3, height, width, generator=generator)
    skewed = skew(x)
    assert skewed.shape == (2, 3, height, width + height - 1)
    for r in range(height):
        assert torch.equal(skewed[:, :, r, r : r + width], x[:, :, r])
    assert skewed.count_nonzero() == x.count_nonzero()
    assert torch.equal(unskew(skewed), x)


@pytest.mark.concept("ar.pixelrnn")
def test_row_layer_equals_a_loop_over_rows(generator):
    layer = RowLSTM(2, 3).double()
    x = torch.randn(1, 2, 3, 4, generator=generator, dtype=torch.float64)
    states = layer(x)
    kernel = layer.recurrence.from_state.weight
    before = torch.zeros(1, 2, 6, dtype=torch.float64)  # one cell of zeros at either end
    memory = torch.zeros(1, 2, 4, dtype=torch.float64)
    for r in range(3):
        inputs = layer.from_input(x[:, :, r : r + 1])[:, :, 0]
        after, kept = torch.zeros_like(before), torch.zeros_like(memory)
        for c in range(4):
            sides = before[:, :, c] @ kernel[:, :, 0].T + before[:, :, c + 2] @ kernel[:, :, 2].T
            state, inner = cell_step(
                kernel[:, :, 1], inputs[:, :, c] + sides, before[:, :, c + 1], memory[:, :, c]
            )
            after[:, :, c + 1], kept[:, :, c] = state, inner
        torch.testing.assert_close(states[:, :, r], after[:, :, 1:-1], atol=1e-12, rtol=0)
        before, memory = after, kept
