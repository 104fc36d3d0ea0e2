"""The run-time type checker the tests put around every function of the package.

An ``int`` is accepted where a ``float`` is annotated, as Python's numeric tower has it.
"""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
