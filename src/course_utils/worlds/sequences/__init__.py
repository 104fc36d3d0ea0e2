"""Sources of symbol sequences with a known entropy rate, so that perplexity has a floor.

markov     the next symbol depends on the last k symbols
hidden     a hidden first-order chain emits the symbols
grammar    a probabilistic context-free grammar derives whole sentences
"""

from course_utils.worlds.sequences.grammar import GrammarSource
from course_utils.worlds.sequences.hidden import HiddenMarkovSource
from course_utils.worlds.sequences.markov import MarkovSource

__all__ = ["GrammarSource", "HiddenMarkovSource", "MarkovSource"]
