"""Real data beside the worlds.

images        what a set of labelled images is; 8 × 8 handwritten digits, from scikit-learn
deformation   more digits from few, bent and stretched without blurring
photographs   two photographs and their patches, from scikit-learn
text          prose from the standard library's docstrings, one symbol per character
docstrings    how that prose is found, cleaned and pinned
graphs        classic social networks, from networkx
downloads     MNIST, Fashion-MNIST, CIFAR-10 and Shakespeare, fetched once and kept
download      how a file is fetched: several addresses, checked, atomic, resumed

All but the last two need no network.
"""

from course_utils.datasets.deformation import deformed, unfolded
from course_utils.datasets.download import DownloadError, data_folder
from course_utils.datasets.downloads import cifar10, fashion_mnist, mnist, shakespeare
from course_utils.datasets.graphs import CLASSIC_GRAPHS, ClassicGraph, classic_graph
from course_utils.datasets.images import LabelledImages, digits
from course_utils.datasets.photographs import PHOTOGRAPHS, photograph, photograph_patches
from course_utils.datasets.text import DataMismatchError, Text, docstring_text

__all__ = [
    "CLASSIC_GRAPHS",
    "PHOTOGRAPHS",
    "ClassicGraph",
    "DataMismatchError",
    "DownloadError",
    "LabelledImages",
    "Text",
    "cifar10",
    "classic_graph",
    "data_folder",
    "deformed",
    "digits",
    "docstring_text",
    "fashion_mnist",
    "mnist",
    "photograph",
    "photograph_patches",
    "shakespeare",
    "unfolded",
]
