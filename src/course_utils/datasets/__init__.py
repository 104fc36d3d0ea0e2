"""Real data beside the worlds: handwritten digits and English prose, both without a network.

images        8 × 8 handwritten digits with 17 grey levels, from scikit-learn
text          prose from the standard library's docstrings, one symbol per character
docstrings    how that prose is found, cleaned and pinned
"""

from course_utils.datasets.images import Digits, digits
from course_utils.datasets.text import DataMismatchError, Text, docstring_text

__all__ = ["DataMismatchError", "Digits", "Text", "digits", "docstring_text"]
