"""Positions turn like clock hands: shifts are rotations, and products see differences only."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.nets.attention import MultiHeadAttention
from course_utils.nets.positions import (
    AddedPositions,
    GridPositions,
    RotaryPositions,
    rotation,
    shift_matrix,
    sinusoidal,
)


@pytest.mark.concept("ar.positional-encoding")
def test_entries_are_the_sines_and_cosines_of_the_paper():
    code = sinusoidal(torch.arange(50), 8)
    for p in (0, 1, 7, 49):
        for i in range(4):
            angle = p / 10_000 ** (2 * i / 8)
            assert code[p, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert code[p, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


@pytest.mark.concept("ar.positional-encoding")
@pytest.mark.parametrize("offset", [1, 5, -3, 0.5])
def test_a_shift_is_the_same_rotation_at_every_position(offset):
    positions = torch.arange(200)
    turned = sinusoidal(positions, 16) @ shift_matrix(offset, 16).float().T
    torch.testing.assert_close(turned, sinusoidal(positions + offset, 16), atol=1e-6, rtol=0)
    matrix = shift_matrix(offset, 16)
    identity = torch.eye(16, dtype=torch.float64)
    torch.testing.assert_close(matrix @ matrix.T, identity, atol=1e-12, rtol=0)
    outside = torch.block_diag(*[torch.ones(2, 2)] * 8) == 0
    assert (matrix[outside] == 0).all()


@pytest.mark.concept("ar.positional-encoding")
def test_inner_products_of_codes_depend_on_the_distance():
    code = sinusoidal(torch.arange(40), 32)
    products = code @ code.T
    for distance in range(40):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=0)
    assert products.diagonal().mean().item() == pytest.approx(16, rel=1e-5)


@pytest.mark.concept("ar.positional-encoding")
def test_rotary_products_depend_on_the_distance_and_lengths_are_kept(generator):
    query, key = (torch.randn(8, generator=generator) for _ in range(2))
    turn = rotation(torch.arange(30), 8)
    queries, keys = turn.turn(query.expand(30, 8)), turn.turn(key.expand(30, 8))
    torch.testing.assert_close(queries.norm(dim=1), query.norm().expand(30))
    products = queries @ keys.T
    for distance in range(-29, 30):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=0)
    assert products[0, 0].item() == pytest.approx((query @ key).item(), rel=1e-5)
    assert products[:, 0].std() > 0.1  # and it does depend on the distance


@pytest.mark.concept("ar.positional-encoding")
def test_rotation_is_multiplication_by_a_complex_phase(generator):
    x = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    turned = rotation(torch.arange(5), 6).turn(x)
    speeds = torch.tensor([10_000 ** (-2 * i / 6) for i in range(3)], dtype=torch.float64)
    phases = torch.polar(torch.ones(5, 3, dtype=torch.float64), torch.arange(5)[:, None] * speeds)
    expected = torch.view_as_real(torch.view_as_complex(x.view(5, 3, 2)) * phases).flatten(1)
    torch.testing.assert_close(turned, expected, atol=1e-6, rtol=0)  # the phases are float32


@pytest.mark.concept("ar.positional-encoding")
def test_attention_without_positions_is_permutation_equivariant_and_with_them_is_not(generator):
    module = MultiHeadAttention(8, 2, causal=False).double()
    x = torch.randn(1, 6, 8, generator=generator, dtype=torch.float64)
    order = torch.tensor([2, 5, 1, 0, 4, 3])
    places = sinusoidal(torch.arange(6), 8).double()
    turn = rotation(torch.arange(6), 4)
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order], atol=1e-12, rtol=0)
    added = module(x[:, order] + places) - module(x + places)[:, order]
    turned = module(x[:, order], turn) - module(x, turn)[:, order]
    assert added.abs().max() > 1e-2
    assert turned.abs().max() > 1e-2


@pytest.mark.concept("ar.positional-encoding")
def test_rotary_attention_does_not_see_a_common_shift(generator):
    module = MultiHeadAttention(8, 2).double()
    x = torch.randn(1, 6, 8, generator=generator, dtype=torch.float64)
    early, late = rotation(torch.arange(6), 4), rotation(torch.arange(100, 106), 4)
    torch.testing.assert_close(module(x, early), module(x, late), atol=1e-5, rtol=0)


def test_modules_cut_out_the_positions_asked_for():
    added, turns = AddedPositions(9, 4, learned=False), RotaryPositions(9, 4)
    torch.testing.assert_close(added(2, 5), sinusoidal(torch.tensor([2, 3, 4]), 4))
    torch.testing.assert_close(turns(2, 5).cos, rotation(torch.tensor([2, 3, 4]), 4).cos)
    torch.testing.assert_close(turns(2, 5).sin, rotation(torch.tensor([2, 3, 4]), 4).sin)
    assert not list(added.parameters())
    assert AddedPositions(9, 4)(2, 5).shape == (3, 4)


def test_places_of_a_grid_are_row_plus_column():
    grid = GridPositions(2, 3, 4)
    for place in range(6):
        expected = grid.rows[place // 3, 0] + grid.columns[0, place % 3]
        assert torch.equal(grid(place, place + 1)[0], expected)


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^dim: expected an even number, got 5$"):
        sinusoidal(torch.arange(3), 5)
    with pytest.raises(ArgumentError, match=r"^base: expected a number > 1, got 1$"):
        sinusoidal(torch.arange(3), 4, base=1)
