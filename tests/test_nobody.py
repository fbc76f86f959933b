"""A list of nobody says why it is one, and where to look."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from decision_world import copies, decided, rules
from workspace_world import shop, write

from flows import inputs, ranking
from flows.champion import Model
from flows.effects import Believed
from flows.told_of_nights import told
from models.eligibility import Reason
from models.nobody import _WORDS, why_nobody
from models.options import OfferOptions

PLACE = "worth it, but without a place (beyond_budget; look at list.budget, list.capacity, "
CHEAP = "worth too little (below_value; look at list.min_value, list.top_value_share)."
GIFT = (OfferOptions(id="gift", stock=0),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": 0}, f" list.budget is 0. Of 3 customers: 3 {PLACE}"),
        ({"capacity": 0}, f" list.capacity is 0. Of 3 customers: 3 {PLACE}"),
        ({"channel_capacity": {"email": 0}}, f" list.channel_capacity.email is 0. Of 3 customers: 3 {PLACE}"),
        ({"offers": GIFT}, f" stock of offer gift is 0. Of 3 customers: 3 {PLACE}"),
        ({"budget": 0.01}, f" Of 3 customers: 3 {PLACE}"),
        ({"top_value_share": 0}, f" list.top_value_share is 0. Of 3 customers: 3 {CHEAP}"),
        ({"min_value": 1e18}, f" Of 3 customers: 3 {CHEAP}"),
        (
            {"offers": (OfferOptions(id="message", stages=("lost",)),)},
            " Of 3 customers: 3 people whom no offer suits (no_offer; look at stages, tiers, causes and ",
        ),
    ],
)
def test_a_list_of_nobody_says_why_and_where_to_look(changes: dict[str, Any], said: str):
    rule = rules(**changes)
    found = why_nobody(decided(copies(3), rule), rule)
    assert found is not None
    assert found.startswith(f"Nobody is to be contacted.{said}")


@pytest.mark.parametrize(
    ("people", "changes"),
    [
        # Nobody is beyond the budget.
        (
            copies(3, stage="lost"),
            {"budget": 0, "capacity": 0, "channel_capacity": {"email": 0}, "offers": GIFT},
        ),
        (copies(3), {"budget": 0, "top_value_share": 0}),
        # Other offers and channels have room.
        (copies(3), {"budget": 0.01, "offers": (*GIFT, OfferOptions(id="message"))}),
        (copies(3), {"budget": 0.01, "channel_capacity": {"sms": 0}}),
    ],
)
def test_a_limit_of_0_that_is_not_to_blame_is_not_named(people: pl.DataFrame, changes: dict[str, Any]):
    rule = rules(**changes)
    found = why_nobody(decided(people, rule), rule)
    assert found is not None
    named = [part for part in found.split(". ")[1:] if part.endswith("is 0")]
    assert named == (["list.top_value_share is 0"] if "top_value_share" in changes else [])


def test_the_limits_of_0_of_all_offers_are_named_together():
    text = OfferOptions(id="text", channel="sms")
    rule = rules(channel_capacity={"ads": 0, "sms": 0, "email": 5}, offers=(*GIFT, text))
    found = why_nobody(decided(copies(3), rule), rule)
    said = "Nobody is to be contacted. list.channel_capacity.sms is 0. stock of offer gift is 0. Of 3 "
    assert str(found).startswith(said)


def test_the_commonest_reasons_come_first_and_people_held_out_are_named():
    rule = rules(control_share=0.999)
    some = [copies(2, stage="lost"), copies(5).with_columns(customer_id="k" + copies(5)["customer_id"])]
    found = why_nobody(decided(some[1].vstack(some[0]), rule), rule)
    assert found == (
        "Nobody is to be contacted. Of 7 customers: 2 silent for too long (lost; look at list.include_lost, "
        "stages.lost_after_days); 5 held out (look at list.control_share, list.universal_share)."
    )


def test_a_list_of_somebody_says_nothing():
    rule = rules(capacity=1)
    assert why_nobody(decided(copies(3), rule), rule) is None


def test_every_reason_has_its_words():
    assert set(_WORDS) == set(Reason)


@pytest.mark.parametrize(("listed", "sentences"), [(0, 2), (2, 3)])
def test_what_nobody_costs_and_earns_is_not_told(listed: int, sentences: int):
    counts = {"listed": listed, "scored": 5, "held_out": 0}
    money = {"expected_cost": 1.0, "expected_profit": 2.0}
    summary = {"status": "written", "counts": counts, "metrics": money, "notes": [], "paths": {}}
    believed = Believed()
    found = told(summary, {"sentences": []}, [], believed, "EUR", "mlflow.db")["sentences"]
    assert len(found) == sentences


def test_the_night_says_why_nobody_is_listed_and_that_the_salt_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings, rule = shop(tmp_path, "list.acknowledge=by_command"), rules(budget=0)
    write(settings, date(2024, 5, 30), [{"customer_id": "a", "arm": "treatment", "enrolment_id": "unsalted"}])
    scored = inputs.workspace(settings).runs / "appraised/as_of=2024-05-31/scores"
    scored.parent.mkdir(parents=True)
    pl.DataFrame({"customer_id": ["a"]}).write_parquet(scored)
    monkeypatch.setattr(ranking, "rules_of", lambda *_: rule)
    monkeypatch.setattr(ranking, "appraise", lambda *_: None)
    monkeypatch.setattr(ranking, "decide", lambda *_: decided(copies(3), rule))
    monkeypatch.setattr(ranking, "_check_outputs", lambda *_: None)
    model = Model("7", "1", "run", tmp_path, date(2024, 5, 1), {})
    made_of = tmp_path, tmp_path, model, Believed()
    found = ranking.rank.fn(settings, settings.as_of("2024-05-31"), *made_of, revision=False)
    assert [note.partition(".")[0] for note in found["notes"]] == ["Nobody is to be contacted", "list"]
    assert found["notes"][1].startswith("list.salt has changed")
