"""Is the data good enough to act on: rules written once, counted on all rows, Great Expectations decides."""

from features.quality.counting import BROKEN_ROWS, Tally, count_broken, first_broken_rule
from features.quality.gate import Gate
from features.quality.rules import Rule
from features.quality.suites import BUILT_IN, Suite, load_suite
from features.quality.verdicts import Failure, Verdict, refuse

__all__ = [
    "BROKEN_ROWS",
    "BUILT_IN",
    "Failure",
    "Gate",
    "Rule",
    "Suite",
    "Tally",
    "Verdict",
    "count_broken",
    "first_broken_rule",
    "load_suite",
    "refuse",
]
