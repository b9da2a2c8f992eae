"""The predicate language of lead definitions and routing policies: pure, compiled once.

A condition names a field, an operator and (mostly) a value::

    big = compile_condition("employees", "at_least", 50)
    big.matches({"employees": "120"})  # True: a number in text is a number
    big.because({"employees": "120"})  # 'employees 120 is at least 50'

Rules that hold for every operator:

- A field that is absent, None, blank text or an empty list is *missing*, and of something missing
  nothing is claimed: only ``is_missing`` matches it, not even ``not_equals`` does. Who wants "not
  the US, or unknown" writes two conditions.
- Text is compared without regard to case, outer blanks and Unicode form.
- A number may stand in text (``"120"``) when the other side is a number; two texts are compared as
  text, so ``"007"`` is not ``"7"``. Yes and no are no numbers.
- Of a field with several values (a list), one that fits is enough; ``not_equals`` and ``not_in``
  want none that fits.
"""

from shared.conditions.condition import (
    Condition,
    ConditionError,
    ConditionErrors,
    FactValue,
    Operand,
    compile_all,
    compile_condition,
)
from shared.conditions.operators import OPERATORS, Operator, OperatorInfo, Takes, parse_operator
from shared.conditions.spelling import operand_from_text, operand_to_text

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
    "compile_all",
    "compile_condition",
    "operand_from_text",
    "operand_to_text",
    "parse_operator",
]
