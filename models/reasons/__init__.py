"""Why is each listed person likely to stay away: what the model says, in sentences with their own numbers.

`explained` says how much each group of features moves a person, `with_reasons` puts it into words.
"""

from models.reasons.attribution import explained, explained_return, why
from models.reasons.groups import Group, group_of
from models.reasons.telling import REASONS, facts, told, with_reasons

__all__ = [
    "REASONS",
    "Group",
    "explained",
    "explained_return",
    "facts",
    "group_of",
    "told",
    "why",
    "with_reasons",
]
