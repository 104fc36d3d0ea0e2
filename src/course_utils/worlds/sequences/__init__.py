"""Sources of symbol sequences with a known entropy rate, so that perplexity has a floor.

markov     the next symbol depends on the last k symbols
hidden     a hidden first-order chain emits the symbols
grammar    a probabilistic context-free grammar derives whole sentences
planted    one dependency at a time: copies, parities, brackets
"""

from course_utils.worlds.sequences.grammar import GrammarSource
from course_utils.worlds.sequences.hidden import HiddenMarkovSource
from course_utils.worlds.sequences.markov import MarkovSource
from course_utils.worlds.sequences.planted import BracketSource, CopySource, ParitySource

__all__ = [
    "BracketSource",
    "CopySource",
    "GrammarSource",
    "HiddenMarkovSource",
    "MarkovSource",
    "ParitySource",
]
