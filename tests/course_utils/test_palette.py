"""The figures' colours stay apart for every common kind of colour vision, and stand off the page.

Colour vision is simulated by coloraide: Machado, Oliveira and Fernandes (2009) for missing red and
green cones, Brettel, Viénot and Mollon (1997) for missing blue ones, where the former is not meant
to be used. Distances are CIEDE2000, in which about 1 is just seen side by side.
"""

from itertools import combinations

import pytest
from coloraide import Color

from course_utils import plotting

LEAST_APART = {"none": 15, "protan": 12, "deutan": 12, "tritan": 7.5}
"""Missing blue cones are a hundred times rarer than missing red or green ones; they get less."""

LIGHT_PAGE, DARK_PAGE = "#ffffff", "#121212"

AREAS = {plotting.SKY, plotting.AMBER}
"""Too light for a thin line on white; they come fifth and sixth, and are meant for areas."""


def seen_as(colour: str, vision: str, severity: float = 1.0) -> Color:
    """A colour as somebody with this kind of colour vision sees it."""
    if vision == "none":
        return Color(colour)
    method = "brettel" if vision == "tritan" else "machado"
    return Color(colour).filter(vision, severity, method=method)


@pytest.mark.parametrize("severity", [0.5, 1.0])
@pytest.mark.parametrize("vision", LEAST_APART)
def test_any_two_colours_stay_apart(vision, severity):
    seen = [seen_as(colour, vision, severity) for colour in plotting.PALETTE]
    apart = {
        (plotting.PALETTE[i], plotting.PALETTE[j]): seen[i].delta_e(seen[j], method="2000")
        for i, j in combinations(range(len(seen)), 2)
    }
    assert {pair: d for pair, d in apart.items() if d < LEAST_APART[vision]} == {}


@pytest.mark.parametrize(
    ("colour", "other", "vision"),
    [("#cc0000", "#5a6b00", "protan"), ("#2e8b57", "#a0736e", "deutan")],
)
def test_the_simulation_sees_colours_that_are_confused(colour, other, vision):
    """Red and olive of one lightness, green and rose: far apart for most, close for some."""
    far = Color(colour).delta_e(other, method="2000")
    near = seen_as(colour, vision).delta_e(seen_as(other, vision), method="2000")
    assert far > 30
    assert near < far / 2


@pytest.mark.parametrize("page", [LIGHT_PAGE, DARK_PAGE])
@pytest.mark.parametrize("colour", plotting.PALETTE)
def test_lines_stand_off_the_page(page, colour):
    """WCAG asks for a contrast of 3 between a line and what is behind it.

    Every figure keeps its white ground in the dark theme, so the dark page matters only for what
    is drawn in the page itself.
    """
    least = 2.2 if page == LIGHT_PAGE and colour in AREAS else 3.0
    assert Color(colour).contrast(page, method="wcag21") >= least


def test_light_colours_come_after_four_others():
    assert not AREAS & set(plotting.PALETTE[:4])
