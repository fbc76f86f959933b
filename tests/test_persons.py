"""Which ids are one person."""

import polars as pl
from decision_world import copies, decided, reasons, rules

from models.eligibility import Known
from models.persons import MOST_IDS, persons, unjoined_note


def named(ids, customers=None, identities=None):
    frames = [pl.DataFrame(frame) if frame else None for frame in (customers, identities)]
    return dict(persons(pl.Series(ids, dtype=pl.String), *frames).iter_rows())


def test_without_other_tables_everyone_is_their_own_person():
    assert named(["b", "a"]) == {"a": "a", "b": "b"}


def test_ids_are_joined_by_identities():
    assert named(["a", "b", "c"], None, {"customer_id": ["c", "b"], "person_id": ["p", "p"]}) == {
        "a": "a",
        "b": "b",
        "c": "b",
    }


def test_ids_are_joined_by_the_same_address_or_number_however_it_is_written():
    customers = {
        "customer_id": ["a", "b", "c", "d"],
        "email": ["Ann@Shop.example ", "ann@shop.example", None, "none"],
        "phone": ["0049 30 1234567", None, "+49 (30) 123-4567", "none"],
    }
    assert named(["a"], customers) == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_ids_are_joined_through_others():
    customers = {"customer_id": ["a", "b"], "email": ["x@y.z", "x@y.z"]}
    identities = {"customer_id": ["b", "c"], "person_id": ["p", "p"]}
    assert named(["a", "b", "c"], customers, identities) == {"a": "a", "b": "a", "c": "a"}


def test_an_id_that_is_scored_under_no_known_address_is_joined_by_the_tables_alone():
    identities = {"customer_id": ["a", "z"], "person_id": ["p", "p"]}
    assert named(["z"], None, identities) == {"a": "a", "z": "a"}


def test_blank_texts_and_short_numbers_join_nobody():
    customers = {"customer_id": ["a", "b"], "email": ["", ""], "phone": ["123", "123"]}
    assert named(["a", "b"], customers) == {"a": "a", "b": "b"}


def test_an_address_on_many_ids_is_a_placeholder_and_joins_nobody():
    ids = [f"{i:02d}" for i in range(MOST_IDS + 1)]
    assert set(named(ids, {"customer_id": ids, "email": ["info@shop.example"] * len(ids)}).values()) == set(
        ids
    )


def test_a_person_id_that_looks_like_an_address_is_not_taken_for_one():
    customers = {"customer_id": ["a"], "email": ["x@y.z"]}
    assert named(["a", "b"], customers, {"customer_id": ["b"], "person_id": ["x@y.z"]}) == {
        "a": "a",
        "b": "b",
    }


def known(identities: dict[str, str], customers: str = "", suppressed: str = "") -> Known:
    def table(ids: str) -> pl.DataFrame:
        return pl.DataFrame({"customer_id": list(ids)}, schema={"customer_id": pl.String})

    rows = {"customer_id": list(identities), "person_id": list(identities.values())}
    return Known(
        table(customers), pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.String)), table(suppressed)
    )


def test_a_merge_into_an_id_without_a_row_of_its_own_is_told():
    found = [
        unjoined_note(pl.Series(["a", "e"]), known({"a": "e", "b": "e"})),
        unjoined_note(pl.Series(["a"]), known({"a": "e"}, customers="e")),
        unjoined_note(pl.Series(["a"]), known({"a": "e"}, suppressed="e")),
    ]
    assert len(set(found)) == 1
    assert str(found[0]).startswith(
        "Warning: identities names 1 person by a customer id that has no row of its own"
    )


def test_several_such_people_are_people():
    found = unjoined_note(pl.Series(["a", "b", "e", "f"]), known({"a": "e", "b": "f"}))
    assert str(found).startswith("Warning: identities names 2 people by a customer id")


def test_names_of_persons_that_are_no_ids_or_ids_with_a_row_are_nothing_to_tell():
    assert unjoined_note(pl.Series(["a", "e"]), Known()) is None
    assert unjoined_note(pl.Series(["a", "e"]), known({"a": "p", "e": "p"}, "ae", "ae")) is None
    assert unjoined_note(pl.Series(["a", "e"]), known({"a": "e", "e": "e"}, "ae", "ae")) is None
    assert unjoined_note(pl.Series(["a"]), known({"a": "e"})) is None


def test_the_list_says_that_a_suppression_does_not_reach_a_merged_id_until_its_row_is_there():
    both = copies(2)
    first, second = both["customer_id"]
    alone = known({first: second})
    stop = pl.DataFrame({"customer_id": [second]})
    before = decided(both, rules(), Known(None, alone.identities, stop))
    joined = known({first: second, second: second})
    after = decided(both, rules(), Known(None, joined.identities, stop))
    assert (reasons(before).get(first), reasons(after).get(first)) == (None, "suppressed")
    assert [note.split(" by ")[0] for note in before.notes] == ["Warning: identities names 1 person"]
    assert after.notes == ()
