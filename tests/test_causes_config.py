"""Where causes come from: the table of the config, and what was said in the lake."""

import json
from datetime import date
from typing import Any

import pytest
from causes_world import CAUSES, row
from decision_world import DAY
from workspace_world import deliver, order
from workspace_world import shop as workspace

from features.errors import ConfigError
from features.pricing import fingerprint
from flows import inputs
from flows.forget import erase
from flows.forgotten import add_forgotten
from flows.settings import Settings, load
from models.causes import ANSWERS


def shop(**sections: Any) -> Settings:
    columns = {"customer_id": "who", "ordered_at": "when", "net_amount": "paid"}
    sources = {"transactions": {"path": "orders.csv", "columns": columns}}
    return Settings.model_validate({"sources": sources, "consent": {"basis": "assumed"}, **sections})


def test_what_a_cause_lacks_in_a_config_stays_as_it_was_and_null_takes_it_out():
    given_table = {
        "price": {"keywords": {"nl": ["te duur"]}},
        "assortment": None,
        "weather": {"reasons": ["rain"]},
    }
    table = shop(causes={"table": given_table}).causes.table
    assert list(table) == [*(name for name in CAUSES.table if name != "assortment"), "weather"]
    assert table["price"].reasons == CAUSES.table["price"].reasons
    assert dict(table["price"].keywords) == {**CAUSES.table["price"].keywords, "nl": ("te duur",)}
    assert table["weather"].manageable


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        (
            {"offers": [{"id": "call", "causes": ["servise"]}]},
            "offers.call.causes: 'servise' is no cause of causes.table; there are deceased, fraud,",
        ),
        (
            {"offers": [{"id": "call", "causes": ["moved"]}]},
            "offers.call.causes: nobody who left for 'moved'",
        ),
        (
            {"offers": [{"id": "call", "causes": ["service", "price", "service"]}]},
            "offers.call.causes: 'service' is given twice",
        ),
        (
            {"causes": {"table": {"competitor": {"keywords": {"nl": ["TOO expensive!"]}}}}},
            "causes.table.competitor.keywords: 'TOO expensive!' stands for price already",
        ),
        (
            {"causes": {"table": {"quality": {"reasons": ["Late delivery"]}}}},
            "causes.table.delivery.reasons: 'late_delivery' stands for quality already",
        ),
        (
            {"causes": {"table": {"price": {"keywords": {"en": ["?!"]}}}}},
            "causes.table.price.keywords: '?!' is not a word or phrase",
        ),
        (
            {"causes": {"table": {"price": {"groups": ["prize"]}}}},
            "causes.table.price.groups: 'prize' is no group",
        ),
        (
            {"causes": {"table": {"price": {"groups": ["silence"]}}}},
            "causes.table.price.groups: 'silence' is no group",
        ),
        (
            {"causes": {"table": {"quality": {"groups": ["experience"]}}}},
            "causes.table.quality.groups: 'experience' stands for service already",
        ),
        (
            {"causes": {"table": {"moved": {"groups": ["source"]}}}},
            "causes.table.moved.groups: the model cannot know",
        ),
        (
            {"causes": {"table": {"unknown": {}}}},
            "causes.table.unknown: people without a known cause are called so",
        ),
        (
            {"causes": {"table": {"Too dear": {}}}},
            "causes.table.Too dear: a cause is called by small letters",
        ),
        ({"causes": {"max_age_days": 0}}, "causes.max_age_days: "),
        (
            {"causes": {"table": {"price": {"reason": ["x"]}}}},
            "causes.table.price.reason: there is no such key",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_with_causes_is_told_with_its_place(tmp_path, sections: dict[str, Any], fault: str):

    path = tmp_path / "shop.yaml"
    path.write_text(
        json.dumps({**shop().model_dump(mode="json", include={"sources", "consent"}), **sections})
    )
    with pytest.raises(ConfigError) as error:
        load(path)
    assert f"  - {fault}" in str(error.value)


def test_a_night_reads_what_was_said_from_the_lake_and_nothing_of_somebody_who_was_erased(tmp_path):

    made_here = workspace(tmp_path)
    as_of = made_here.as_of(DAY.isoformat())
    deliver(made_here, "transactions", [order(name, date(2024, 3, 1), 100, name) for name in "ab"])
    assert inputs.said(made_here, as_of) is None
    words = [
        row("a", 9, "moved_away", text="to Jakarta"),
        row("b", 9, text="mahal", kind="survey"),
        row("b", -9, "x"),
    ]
    deliver(made_here, "feedback", words)
    found = inputs.said(made_here, as_of)
    assert found is not None
    assert found.schema == ANSWERS
    assert sorted(found.select("customer_id", "cause").rows()) == [("a", "moved"), ("b", "price")]
    add_forgotten(made_here.root, fingerprint("a"))
    erase.fn(made_here, fingerprint("a"))
    assert inputs.said(made_here, as_of)["customer_id"].to_list() == ["b"]
