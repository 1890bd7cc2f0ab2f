"""The methods by name; each is one record. Imports no torch."""

from drac.methods.method import Method
from drac.methods.registry import (
    ALIASES,
    METHODS,
    find,
    get,
    known,
    method_ids,
    options,
    options_of_others,
    problems,
    register,
    unknown,
    with_option,
)

__all__ = [
    "ALIASES",
    "METHODS",
    "Method",
    "find",
    "get",
    "known",
    "method_ids",
    "options",
    "options_of_others",
    "problems",
    "register",
    "unknown",
    "with_option",
]
