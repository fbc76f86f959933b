"""Every feature is documented, and nothing is documented that is not there."""

import pytest
from shop_world import day, everything, line, priced

from features.catalogue import CATALOGUE, DOCUMENT, describe, document
from features.history import History
from features.options import StageOptions
from features.table import FACTS, feature_table
from models.matrix import FeatureContract

GOODS = {"product_id": "p", "category": "P", "quantity": 1.0, "discount_amount": 10, "cost_amount": 50}
ROWS = [line(who, 40 * n, 100 + n, f"{who}{n}", **GOODS) for who in "abc" for n in range(9)]


@pytest.fixture(scope="module")
def columns() -> list[str]:
    return feature_table(everything(ROWS), day(400), StageOptions()).columns


def test_every_feature_is_documented(columns: list[str]) -> None:
    for column in columns:
        assert describe(column).meaning


def test_every_documented_feature_exists(columns: list[str]) -> None:
    absent = [one.name for one in CATALOGUE if not any(one.matches(column) for column in columns)]
    assert absent == []


def test_a_parameter_takes_its_values_only() -> None:
    with pytest.raises(KeyError, match="orders_8d is 0 features"):
        describe("orders_8d")


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run make docs"


def test_what_is_not_learned_from_is_a_fact() -> None:
    facts = [one.name for one in CATALOGUE if "not learned from" in one.meaning]
    assert sorted(facts) == sorted(FACTS)


def test_a_model_reads_every_feature_but_keys_and_facts(columns: list[str]) -> None:
    found = feature_table(everything(ROWS), day(400), StageOptions())
    read = FeatureContract.of(found)
    assert sorted(columns) == sorted((*read.names, "as_of", "customer_id", *FACTS))


def test_a_shop_without_other_tables_and_columns_has_only_what_follows_from_purchases() -> None:
    bare = History.of(priced(ROWS), frozenset())
    found = feature_table(bare, day(400), StageOptions()).columns
    sources = {describe(column).source for column in found}
    assert sources == {"purchases", "order days", "lines", "as_of", "purchases, customers"}
    telling = ("quantity", "units", "discount", "categor", "product", "price", "points", "contact", "channel")
    assert [c for c in found if c.startswith(telling) or "holiday" in c or "_units" in c] == []
