"""The operators: their names, what value each takes, how each reads in a sentence."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.conditions.names import did_you_mean


class Operator(StrEnum):
    """What a condition asks of its field."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    MATCHES_WORD = "matches_word"
    MATCHES = "matches"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"
    BETWEEN = "between"
    IS_PRESENT = "is_present"
    IS_MISSING = "is_missing"
    IS_TRUE = "is_true"
    IS_FALSE = "is_false"


class Takes(StrEnum):
    """What kind of value an operator compares with."""

    SCALAR = "a text, a number or true/false"
    LIST = "a list of texts or numbers"
    TEXTS = "a text, or a list of texts of which one is enough"
    PATTERN = "a regular expression"
    NUMBER = "a number"
    RANGE = "a list of two numbers, the lower one first"
    NOTHING = "no value"


@dataclass(frozen=True, slots=True)
class OperatorInfo:
    """How to show an operator, and what it takes. ``label`` reads between field and value."""

    label: str
    negated: str
    takes: Takes


OPERATORS: Final[dict[Operator, OperatorInfo]] = {
    Operator.EQUALS: OperatorInfo("is", "is not", Takes.SCALAR),
    Operator.NOT_EQUALS: OperatorInfo("is not", "is", Takes.SCALAR),
    Operator.IN: OperatorInfo("is one of", "is none of", Takes.LIST),
    Operator.NOT_IN: OperatorInfo("is none of", "is one of", Takes.LIST),
    Operator.CONTAINS: OperatorInfo("contains", "does not contain", Takes.TEXTS),
    Operator.STARTS_WITH: OperatorInfo("starts with", "does not start with", Takes.TEXTS),
    Operator.MATCHES_WORD: OperatorInfo("has the word", "does not have the word", Takes.TEXTS),
    Operator.MATCHES: OperatorInfo(
        "matches the pattern", "does not match the pattern", Takes.PATTERN
    ),
    Operator.AT_LEAST: OperatorInfo("is at least", "is less than", Takes.NUMBER),
    Operator.AT_MOST: OperatorInfo("is at most", "is more than", Takes.NUMBER),
    Operator.GREATER_THAN: OperatorInfo("is more than", "is at most", Takes.NUMBER),
    Operator.LESS_THAN: OperatorInfo("is less than", "is at least", Takes.NUMBER),
    Operator.BETWEEN: OperatorInfo("is between", "is not between", Takes.RANGE),
    Operator.IS_PRESENT: OperatorInfo("is known", "is not known", Takes.NOTHING),
    Operator.IS_MISSING: OperatorInfo("is not known", "is known", Takes.NOTHING),
    Operator.IS_TRUE: OperatorInfo("is yes", "is not yes", Takes.NOTHING),
    Operator.IS_FALSE: OperatorInfo("is no", "is not no", Takes.NOTHING),
}

_ALIASES: Final[dict[str, Operator]] = {
    "eq": Operator.EQUALS,
    "=": Operator.EQUALS,
    "==": Operator.EQUALS,
    "===": Operator.EQUALS,
    "is": Operator.EQUALS,
    "equal": Operator.EQUALS,
    "equal_to": Operator.EQUALS,
    "ne": Operator.NOT_EQUALS,
    "neq": Operator.NOT_EQUALS,
    "!=": Operator.NOT_EQUALS,
    "<>": Operator.NOT_EQUALS,
    "is_not": Operator.NOT_EQUALS,
    "not_equal": Operator.NOT_EQUALS,
    "any_of": Operator.IN,
    "one_of": Operator.IN,
    "is_one_of": Operator.IN,
    "none_of": Operator.NOT_IN,
    "nin": Operator.NOT_IN,
    "includes": Operator.CONTAINS,
    "like": Operator.CONTAINS,
    "prefix": Operator.STARTS_WITH,
    "begins_with": Operator.STARTS_WITH,
    "word": Operator.MATCHES_WORD,
    "has_word": Operator.MATCHES_WORD,
    "regex": Operator.MATCHES,
    "regexp": Operator.MATCHES,
    "=~": Operator.MATCHES,
    "gte": Operator.AT_LEAST,
    "ge": Operator.AT_LEAST,
    ">=": Operator.AT_LEAST,
    "min": Operator.AT_LEAST,
    "lte": Operator.AT_MOST,
    "le": Operator.AT_MOST,
    "<=": Operator.AT_MOST,
    "max": Operator.AT_MOST,
    "gt": Operator.GREATER_THAN,
    ">": Operator.GREATER_THAN,
    "more_than": Operator.GREATER_THAN,
    "lt": Operator.LESS_THAN,
    "<": Operator.LESS_THAN,
    "range": Operator.BETWEEN,
    "exists": Operator.IS_PRESENT,
    "present": Operator.IS_PRESENT,
    "known": Operator.IS_PRESENT,
    "missing": Operator.IS_MISSING,
    "not_exists": Operator.IS_MISSING,
    "unknown": Operator.IS_MISSING,
    "is_empty": Operator.IS_MISSING,
    "true": Operator.IS_TRUE,
    "false": Operator.IS_FALSE,
}


def parse_operator(name: str) -> Operator:
    """The operator of this name or alias, in any case and with blanks or dashes for underscores.

    Raises ValueError with the name that was meant, or with those that are allowed.
    """
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    alias = _ALIASES.get(plain)
    if alias is not None:
        return alias
    try:
        return Operator(plain)
    except ValueError:
        meant = did_you_mean(plain, Operator) or did_you_mean(plain, _ALIASES)
        hint = f"did you mean {meant}?" if meant else f"use one of: {', '.join(Operator)}"
        raise ValueError(f"unknown operator {name[:40]!r}; {hint}") from None
