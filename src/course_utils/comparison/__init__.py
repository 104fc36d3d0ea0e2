"""Comparing models fairly: models × worlds × metrics, one tidy table.

A comparison is easy to get wrong. One model object trained on data set after data set carries what
it learned from one to the next; metrics computed on training data reward memory; a distance
without its value for a perfect model cannot be read, because between two finite samples of one
law it is not zero; and a bound, an estimate and an exact number look alike once printed. Here

- every model is a recipe, built and trained afresh for each world from a seed of its own;
- training, validation and test examples are drawn apart, and recipes never see the test examples;
- the truth is a contender: a world scores and samples itself, and each row carries its value;
- each number carries a mark, exact, bound or estimate, and what cannot be had is absent, with the
  reason; what broke is failed, with the error, and the other cells go on.

    contenders   recipes for models, worlds, data sets and references
    references   the truth spoilt in a known way
    metric       what a metric sees and answers
    rulers       the metrics of the course, wrapped
    costs        parameters, network evaluations, seconds, memory
    cell         one model on one world, from seeds that depend on nothing else
    pool         cells in processes of their own
    store        finished cells on disk
    table        the rows, as CSV and for printing
    run          ``compare``
"""

from course_utils.comparison import references, rulers
from course_utils.comparison.contenders import (
    TRUTH,
    Contender,
    DataSet,
    HeldOut,
    Lesson,
    Reference,
    Splits,
    World,
)
from course_utils.comparison.metric import Evidence, Metric, Reading
from course_utils.comparison.run import compare
from course_utils.comparison.table import COSTS, ComparisonTable, Row, Sheet

__all__ = [
    "COSTS",
    "TRUTH",
    "ComparisonTable",
    "Contender",
    "DataSet",
    "Evidence",
    "HeldOut",
    "Lesson",
    "Metric",
    "Reading",
    "Reference",
    "Row",
    "Sheet",
    "Splits",
    "World",
    "compare",
    "references",
    "rulers",
]
