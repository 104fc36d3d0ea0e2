"""What a chapter shows: figures in one style, and tables of model against truth.

figures      the style, and the few drawings that nearly every chapter repeats
diagrams     graphs of circles and arrows
tables       quantity | model | truth | gap
comparisons  one metric of a comparison, all models beside the truth

Nothing in the package imports this module but the charts of ``grading``.
"""

from course_utils.plotting.comparisons import compared
from course_utils.plotting.diagrams import diagram
from course_utils.plotting.figures import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALETTE,
    PINK,
    SKY,
    bars,
    heatmap,
    image_grid,
    learning_curve,
    use_style,
)
from course_utils.plotting.tables import Table, gap_table, table

__all__ = [
    "AMBER",
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PALETTE",
    "PINK",
    "SKY",
    "Table",
    "bars",
    "compared",
    "diagram",
    "gap_table",
    "heatmap",
    "image_grid",
    "learning_curve",
    "table",
    "use_style",
]
