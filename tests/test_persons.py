"""Which ids are one person."""

import polars as pl

from models.persons import MOST_IDS, persons


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
