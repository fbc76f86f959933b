"""Counts in sentences."""

import pytest

from features.wording import counted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1, "fault"), "1 fault"),
        ((0, "fault"), "0 faults"),
        ((1200, "row"), "1,200 rows"),
        ((1, "new delivery", "new deliveries"), "1 new delivery"),
        ((2, "new delivery", "new deliveries"), "2 new deliveries"),
    ],
)
def test_a_noun_agrees_with_its_number(given: tuple[int, str], said: str) -> None:
    assert counted(*given) == said
