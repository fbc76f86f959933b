"""What the causes of leaving do to a list: who is told why, and who is left out."""

import polars as pl
from causes_world import decision, known, row
from decision_world import copies, decided, listed, reasons, rules

from models.cause_table import UNKNOWN, CauseOptions
from models.causes import Source


def test_the_list_and_the_people_held_out_of_it_say_why_they_left():
    rows = row("c0000", 9, "too_expensive"), row("c0001", 9, "other")
    of = {"c0000": "service", "c0001": "service", "c0002": "service"}
    for shares in ({}, {"control_share": 0.99}, {"universal_share": 0.99}):
        found = decision(copies(4), rules(**shares), known(*rows), of)
        both = pl.concat(
            [found.winback.select("customer_id", "cause"), found.holdout.select("customer_id", "cause")]
        )
        assert both.sort("customer_id")["cause"].to_list() == ["price", UNKNOWN, "service", UNKNOWN]
    counts = decision(copies(4), rules(), known(*rows), of).counts
    assert counts["listed_by_cause"] == {"price": 1, "service": 1, UNKNOWN: 2}
    assert counts["cause_from"] == {Source.SAID: 2, Source.MODEL: 1, Source.NOBODY: 1}


def test_who_left_for_what_cannot_be_managed_is_left_out_and_counted():
    rows = [row("c0000", 9, "moved_away"), row("c0001", 9, "passed_away"), row("c0002", 9, "moved_away")]
    found = decided(copies(4), rules(), known(*rows))
    assert listed(found) == ["c0003"]
    assert reasons(found) == dict.fromkeys(["c0000", "c0001", "c0002"], "unmanageable")
    assert found.counts["excluded_by_reason"]["unmanageable"] == 3
    assert found.counts["eligible"] == 1
    (note,) = found.notes
    told = "customers left for a cause that nothing can be done about, and are not contacted"
    assert note == f"3 {told}: deceased 1, moved 2."
    (note,) = decided(copies(4), rules(), known(rows[0])).notes
    assert note.startswith("1 customer left for a cause that nothing can be done about, and is not contacted")


def test_an_unmanageable_cause_of_one_id_holds_for_the_person_and_what_the_config_says_decides():
    ids = pl.DataFrame({"customer_id": ["c0000", "x"], "person_id": ["p", "p"]})
    gone = known(row("x", 9, "moved_away"), identities=ids)
    assert reasons(decided(copies(1), rules(), gone)) == {"c0000": "unmanageable"}
    courier = CauseOptions.model_validate({"table": {"moved": {"manageable": True}}})
    assert listed(decided(copies(1), rules(causes=courier), gone)) == ["c0000"]
