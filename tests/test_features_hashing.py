"""Hashing gives the same answer on every machine."""

import hashlib
import hmac

import polars as pl

from features.hashing import stable_hash, uniform

PEOPLE = pl.LazyFrame({"customer_id": ["a", "b", None]})


def test_the_hash_is_the_same_for_good():
    hashed = PEOPLE.select(stable_hash("customer_id", "fold")).collect()["customer_id"]
    assert hashed.dtype == pl.UInt64
    assert hashed.to_list() == [340_278_088_817_722_332, 12_181_387_411_887_617_637, None]


def test_another_salt_gives_an_unrelated_hash():
    both = PEOPLE.select(
        stable_hash("customer_id", "x").alias("x"), stable_hash("customer_id", "y").alias("y")
    )
    assert both.filter(pl.col("x") == pl.col("y")).collect().is_empty()


def test_a_draw_is_the_head_of_the_keyed_sha256():
    digest = hmac.new(b"salt", b"a", hashlib.sha256).hexdigest()
    drawn = PEOPLE.select(uniform("customer_id", "salt")).collect()["customer_id"]
    assert drawn.to_list()[0] == int(digest[:13], 16) / 16**13
    assert drawn[2] is None


def test_draws_fill_the_unit_interval_evenly():
    people = pl.DataFrame({"customer_id": [str(i) for i in range(20_000)]})
    drawn = people.select(uniform("customer_id", "salt"))["customer_id"]
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.01
