"""The predicate language of lead definitions and routing policies: pure, compiled once.

A condition names a field, an operator and (mostly) a value::

    big = compile_condition("employees", "at_least", 50)
    big.matches({"employees": "120"})  # True: a number in text is a number
    big.because({"employees": "120"})  # 'employees 120 is at least 50'

and a tree puts conditions together (``shared.conditions.tree``)::

    compile_tree({"all": [{"field": "country", "operator": "in", "value": ["DE", "AT"]},
                          {"not": {"field": "employees", "operator": "lt", "value": 50}}]})

Rules that hold for every operator:

- A field that is absent, None, blank text or an empty list is *missing*, and of something missing
  nothing is claimed: only ``is_missing`` matches it, not even ``not_equals`` does. ``not`` in a
  tree is plain negation instead: "not (the US)" holds of an unknown country as well.
- Text is compared without regard to case, outer blanks and Unicode form.
- A number may stand in text (``"120"``) when the other side is a number; two texts are compared as
  text, so ``"007"`` is not ``"7"``. Yes and no are no numbers.
- Of a field with several values (a list), one that fits is enough; ``not_equals`` and ``not_in``
  want none that fits.
- A pattern (``matches``) is a regular expression of RE2, looked for anywhere in the text and, like
  everything, without regard to case; ``^`` and ``$`` tie it to the ends. Runs of blanks in the text
  are one blank by then.
"""

from shared.conditions.condition import (
    Condition,
    ConditionError,
    ConditionErrors,
    FactValue,
    Operand,
    Test,
    compile_condition,
)
from shared.conditions.names import did_you_mean
from shared.conditions.operators import OPERATORS, Operator, OperatorInfo, Takes, parse_operator
from shared.conditions.spelling import operand_from_text, operand_to_text
from shared.conditions.tree import compile_all, compile_tree

__all__ = [
    "OPERATORS",
    "Condition",
    "ConditionError",
    "ConditionErrors",
    "FactValue",
    "Operand",
    "Operator",
    "OperatorInfo",
    "Takes",
    "Test",
    "compile_all",
    "compile_condition",
    "compile_tree",
    "did_you_mean",
    "operand_from_text",
    "operand_to_text",
    "parse_operator",
]
