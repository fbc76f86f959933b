"""Why people left: every customer has one cause, from what they said before anything else."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from decision_world import DAY, copies, decided, listed, reasons, rules
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.asof import AsOf
from features.errors import ConfigError
from flows.settings import Settings
from models.cause_table import UNKNOWN, CauseOptions
from models.causes import ANSWERS, Source, answers, guessed, matched, with_guesses, with_said
from models.eligibility import Known
from models.keywords import holds_any, plain, spoken
from models.options import AssumedEffect, ConsentOptions, OfferOptions
from models.profit import APPRAISALS
from models.reasons import Group
from models.reasons.attribution import why

AS_OF = AsOf(DAY, horizon_days=60)
CAUSES = CauseOptions()
FEEDBACK = pl.Schema(
    {
        "customer_id": pl.String(),
        "occurred_at": pl.Datetime("us", "UTC"),
        "kind": pl.String(),
        "score": pl.Float64(),
        "reason": pl.String(),
        "text": pl.String(),
    }
)
# The good customer of the decision's world bought for the last time so many days ago.
SILENT = 64


def row(customer: str, ago: float, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """Something said, so many days before the end of the day; an answer at the exit unless told otherwise."""
    at = datetime(DAY.year, DAY.month, DAY.day, 23, 59, tzinfo=UTC) - timedelta(days=ago)
    return {"customer_id": customer, "occurred_at": at, "kind": "exit", "reason": reason, **more}


def said(*rows: dict[str, Any], causes: CauseOptions = CAUSES, zone: str = "UTC") -> pl.DataFrame:
    return answers(pl.LazyFrame(list(rows), schema=FEEDBACK), causes, AS_OF, zone).collect()


def known(*rows: dict[str, Any], causes: CauseOptions = CAUSES, **tables: pl.DataFrame) -> Known:
    return Known(answers=said(*rows, causes=causes), **tables)


def causes_of(*rows: dict[str, Any], causes: CauseOptions = CAUSES, who: int = 1) -> list[str | None]:
    """The causes of so many customers, c0000 and on, each a person of their own."""
    frame = copies(who).select("customer_id", "last_purchase_on", person_id="customer_id")
    found = with_said(frame, frame.select("customer_id", "person_id"), said(*rows, causes=causes))
    return found["cause"].to_list()


def test_a_reason_code_stands_for_its_cause_however_it_is_written():
    for code in ("too_expensive", "Too expensive", " TOO-EXPENSIVE "):
        assert causes_of(row("c0000", 9, code)) == ["price"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Honestly it got TOO EXPENSIVE for me!", "price"),
        ("Terlalu mahal, kak", "price"),
        ("It is an expensively made thing", None),
        ("barangnya rusak waktu sampai", "quality"),
        ("I called twice and nobody called back", "service"),
        ("Sorry, I've moved abroad.", "moved"),
        ("I cannot afford it, and the service was RUDE", "service"),
        ("We can\u2019t afford it", "price"),
        ("lovely", None),
        ("", None),
    ],
)
def test_words_stand_for_a_cause_whole_and_in_any_language(text: str, cause: str | None):
    assert causes_of(row("c0000", 9, text=text, kind="survey")) == [cause]


def test_words_in_the_column_of_codes_are_read_too():
    assert causes_of(row("c0000", 9, "It was too expensive for us")) == ["price"]


def test_a_code_comes_before_words():
    assert causes_of(row("c0000", 9, "found_another_shop", text="too expensive")) == ["competitor"]


def test_the_answers_are_causes_and_nothing_of_the_words_is_kept():
    found = said(
        row("c0000", 9, "moved_away", text="to 1 Secret Street"), row("c0001", 3, kind="nps", score=2)
    )
    assert found.to_dicts() == [
        {
            "customer_id": "c0000",
            "said_at": datetime(2024, 5, 22, 23, 59, tzinfo=UTC),
            "said_on": date(2024, 5, 22),
            "asked": True,
            "cause": "moved",
            "place": list(CAUSES.table).index("moved"),
            "for_good": False,
        }
    ]
    assert found.schema == ANSWERS
    assert "Secret" not in str(decided(copies(1), rules(), Known(answers=found)))


def test_the_newest_answer_counts():
    rows = (
        row("c0000", 9, "too_expensive"),
        row("c0000", 8, "found_another_shop"),
        row("c0000", 10, "quality"),
    )
    assert causes_of(*rows) == ["competitor"]


def test_of_the_same_moment_an_answer_comes_before_a_complaint_and_the_table_decides_the_rest():
    complaint = row("c0000", 9, "poor_service", kind="Complaint")
    assert causes_of(complaint, row("c0000", 9, "too_expensive")) == ["price"]
    both = row("c0000", 9, "too_expensive"), row("c0000", 9, "quality")
    assert causes_of(*both) == causes_of(*reversed(both)) == ["quality"]


def test_an_answer_to_nothing_known_is_unknown_and_keeps_older_ones_away():
    assert causes_of(row("c0000", 9, "other"), row("c0000", 20, "too_expensive")) == [UNKNOWN]
    assert causes_of(row("c0000", 9, text="so long"), row("c0000", 20, "too_expensive")) == ["price"]


@pytest.mark.parametrize("kind", ["complaint", "ticket", "return"])
def test_a_complaint_that_fits_no_cause_says_nothing(kind: str):
    assert causes_of(row("c0000", 9, "other", kind=kind), row("c0000", 20, "too_expensive")) == ["price"]
    assert causes_of(row("c0000", 9, "late_delivery", kind=kind)) == ["delivery"]


def test_who_bought_again_got_over_it():
    assert causes_of(row("c0000", SILENT + 1, "too_expensive")) == [None]
    assert causes_of(row("c0000", SILENT, "too_expensive")) == ["price"]


def test_what_was_said_too_long_ago_does_not_count():
    soon = CauseOptions(max_age_days=30)
    assert causes_of(row("c0000", 30, "too_expensive"), causes=soon) == [None]
    assert causes_of(row("c0000", 29, "too_expensive"), causes=soon) == ["price"]


def test_what_holds_for_good_holds_after_any_time_any_answer_and_any_purchase():
    assert causes_of(row("c0000", 4000, "passed_away"), row("c0000", 1, "too_expensive")) == ["deceased"]
    assert causes_of(row("c0000", 4000, "moved_away"), row("c0000", 1, "too_expensive")) == ["price"]


def test_what_is_said_after_the_day_is_not_known_in_the_shops_own_time():
    assert causes_of(row("c0000", -0.5, "too_expensive")) == [None]
    last_minute = row("c0000", 0, "too_expensive")
    assert said(last_minute).height == 1
    assert said(last_minute, zone="Asia/Jakarta").is_empty()


def test_what_one_id_said_holds_for_the_person():
    who = pl.DataFrame({"customer_id": ["c0000", "c0001", "x"], "person_id": ["c0000", "c0001", "c0000"]})
    frame = copies(2).join(who, on="customer_id")
    assert with_said(frame, who, said(row("x", 9, "moved_away")))["cause"].to_list() == ["moved", None]


def test_words_are_alike_without_case_accents_and_punctuation():
    written = ["Très-Cher!", "tre\u0300s cher", "TRES  CHER", "\u201ctre\u0300s\u201d cher\u2026"]
    assert plain(written) == ["tres cher"] * 4


KINDS = st.sampled_from(["exit", "survey", "complaint", "return", "nps"])
CODES = st.sampled_from([None, "other", *(word for rule in CAUSES.table.values() for word in rule.reasons)])
TEXTS = st.sampled_from([None, "", "too expensive", "it was rude, and late", "mahal", "pindah rumah", "hm"])
SAID = st.builds(
    lambda place, ago, reason, text, kind: row(f"c{place:04d}", ago, reason, text=text, kind=kind),
    st.integers(0, 4),
    st.integers(-30, 500),
    CODES,
    TEXTS,
    KINDS,
)


@given(st.lists(SAID, max_size=12), st.randoms())
@settings(deadline=None, max_examples=60)
def test_everybody_has_one_cause_whatever_the_order_of_the_rows_and_whatever_comes_later(rows, random):
    frame = copies(5).select("customer_id", "last_purchase_on", person_id="customer_id")
    who = frame.select("customer_id", "person_id")
    found = with_guesses(with_said(frame, who, said(*rows)), pl.lit(value=True), None)
    assert found["customer_id"].to_list() == frame["customer_id"].to_list()
    assert found["cause"].is_in([*CAUSES.table, UNKNOWN]).all()
    mixed = [one for one in rows if one["occurred_at"].date() <= DAY]
    random.shuffle(mixed)
    assert_frame_equal(found, with_guesses(with_said(frame, who, said(*mixed)), pl.lit(value=True), None))


@given(st.text(max_size=30), st.text(max_size=30))
@settings(deadline=None)
def test_words_are_found_between_any_others_and_are_plain_already(one: str, other: str):
    (words,) = plain([one])
    assert plain([words]) == [words]
    text = pl.DataFrame({"text": [f"{other} {one} {other}"]})
    found = text.select(holds_any(spoken(pl.col("text")), [one] if words else [])).item()
    assert found is bool(words)


def grounds(**moved: float) -> pl.DataFrame:
    """Somebody who complained and took discounts, with what the model says of some groups."""
    features = {
        "customer_id": "c0000",
        "orders": 5,
        "days_since_last_purchase": 64,
        "usual_gap_days": 21.0,
        "complaints": 1,
        "days_since_last_complaint": 60,
        "discounted_orders_share": 0.8,
        "value_if_returned": 4000.0,
    }
    return pl.DataFrame([{**features, **{why(group): moved.get(group, 0.0) for group in Group}}])


@pytest.mark.parametrize(
    ("moved", "cause"),
    [
        ({"experience": 0.5, "price": 0.3}, ["service"]),
        ({"experience": 0.3, "price": 0.5}, ["price"]),
        ({"rhythm": 0.9, "price": 0.3}, ["price"]),
        ({"rhythm": 0.9}, []),
        ({"basket": 0.9}, []),
        ({}, []),
    ],
    ids=str,
)
def test_the_models_first_reason_that_stands_for_a_cause_and_is_borne_out_gives_it(
    moved: dict[str, float], cause: list[str]
):
    assert guessed(grounds(**moved), 12, CAUSES)["cause"].to_list() == cause


def guess(of: dict[str, str]):
    return lambda ids: pl.DataFrame(
        [(name, of[name]) for name in ids if name in of],
        {"customer_id": pl.String, "cause": pl.String},
        orient="row",
    )


def decision(frame: pl.DataFrame, rule, known_people: Known | None = None, of: dict[str, str] | None = None):
    from decision_world import NIGHT, appraised

    from models.decision import decide

    return decide(appraised(frame, rule), known_people or Known(), rule, NIGHT, guess=guess(of or {}))


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


STRONG, WEAK = AssumedEffect(mu=0.9, sd=0.05), AssumedEffect(mu=0.15, sd=0.05)
RECOVERY = OfferOptions(id="recovery", kind="recovery_call", causes=("service",), cost=1, effect=WEAK)
DISCOUNT = OfferOptions(id="discount", kind="discount", effect=STRONG)
UNHAPPY = (row("c0000", 9, "bad_experience"),)


def made(found) -> dict[str, str]:
    return dict(found.winback.select("customer_id", "offer_id").iter_rows())


def test_who_left_over_service_gets_recovery_even_if_a_discount_promises_more():
    found = decided(copies(2), rules(offers=(DISCOUNT, RECOVERY)), known(*UNHAPPY))
    assert made(found) == {"c0000": "recovery", "c0001": "discount"}


def test_the_models_reasons_match_offers_too():
    found = decision(copies(2), rules(offers=(DISCOUNT, RECOVERY)), None, {"c0001": "service"})
    assert made(found) == {"c0000": "discount", "c0001": "recovery"}


@pytest.mark.parametrize(
    "out",
    [
        {"cost": 900},
        {"stock": 0},
        {"stages": ("new",)},
        {"effect": AssumedEffect(mu=-0.5, sd=0.1)},
        {"min_purchase": 20, "tiers": ("gold",)},
    ],
    ids=str,
)
def test_where_recovery_does_not_pay_or_cannot_be_made_other_offers_are(out: dict[str, Any]):
    recovery = OfferOptions(**{**RECOVERY.model_dump(), **out})
    assert made(decided(copies(1), rules(offers=(DISCOUNT, recovery)), known(*UNHAPPY))) == {
        "c0000": "discount"
    }


def test_where_the_channel_of_recovery_is_not_permitted_or_full_other_offers_are_made():
    text = OfferOptions(**{**RECOVERY.model_dump(), "channel": "sms"})
    offers = (DISCOUNT, text)
    no = Known(
        answers=said(*UNHAPPY),
        customers=pl.DataFrame({"customer_id": ["c0000"], "consent_email": [True], "consent_sms": [False]}),
    )
    assert made(decided(copies(1), rules(offers=offers, consent=ConsentOptions(basis="column")), no)) == {
        "c0000": "discount"
    }
    full = rules(offers=offers, channel_capacity={"sms": 0})
    assert made(decided(copies(1), full, known(*UNHAPPY))) == {"c0000": "discount"}
    assert made(decided(copies(1), rules(offers=offers), known(*UNHAPPY))) == {"c0000": "recovery"}


def test_when_recovery_runs_out_the_others_wait_rather_than_get_a_discount_first():
    few = OfferOptions(**{**RECOVERY.model_dump(), "stock": 1})
    rows = [row(f"c000{place}", 9, "bad_experience") for place in range(2)]
    found = decided(copies(3), rules(offers=(DISCOUNT, few)), known(*rows))
    assert made(found) == {"c0000": "recovery", "c0002": "discount"}
    assert reasons(found) == {"c0001": "beyond_budget"}


def test_nobody_is_made_an_offer_for_another_cause_and_with_no_other_offer_they_are_left_out():
    found = decided(copies(2), rules(offers=(RECOVERY,)), known(*UNHAPPY))
    assert (made(found), reasons(found)) == ({"c0000": "recovery"}, {"c0001": "no_offer"})


def test_an_offer_can_be_for_those_of_whom_nobody_knows_why_they_left():
    ask = OfferOptions(id="ask", causes=(UNKNOWN,), effect=WEAK)
    found = decided(copies(2), rules(offers=(DISCOUNT, ask)), known(*UNHAPPY))
    assert made(found) == {"c0000": "discount", "c0001": "ask"}


def test_scores_name_an_offer_that_anybody_may_be_made():
    from decision_world import appraised

    bold = OfferOptions(**{**RECOVERY.model_dump(), "effect": STRONG})
    best = appraised(copies(2), rules(offers=(bold, OfferOptions(id="hello", effect=WEAK)))).people
    assert best["offer_id"].to_list() == ["hello", "hello"]


CAUSE_NAMES = ("service", "price", None)
OFFER_IDS = ("a", "b", "c")


@given(
    cause=st.sampled_from(CAUSE_NAMES),
    offers=st.lists(
        st.tuples(
            st.floats(-5, 9),
            st.lists(st.sampled_from(["service", "price", UNKNOWN]), unique=True, max_size=2),
        ),
        min_size=3,
        max_size=3,
    ),
)
@settings(deadline=None)
def test_what_is_made_is_for_the_cause_or_for_all_and_only_for_the_cause_where_that_pays(cause, offers):
    config = [
        OfferOptions(id=name, causes=tuple(of)) for name, (_, of) in zip(OFFER_IDS, offers, strict=True)
    ]
    frame = pl.DataFrame(
        [
            {
                **dict.fromkeys(APPRAISALS, 0.0),
                "customer_id": "x",
                "offer_id": name,
                "channel": "email",
                "evidence": "C",
                "harmful": False,
                "expected_incremental_profit": eip,
                "expected_incremental_profit_low": eip,
            }
            for name, (eip, _) in zip(OFFER_IDS, offers, strict=True)
        ],
        schema=APPRAISALS,
    )
    person = pl.DataFrame({"customer_id": ["x"], "cause": [cause]}, schema_overrides={"cause": pl.String})
    left = matched(frame, person, config)["offer_id"].to_list()
    own = cause or UNKNOWN
    naming = [name for name, (_, of) in zip(OFFER_IDS, offers, strict=True) if own in of]
    free = [name for name, (_, of) in zip(OFFER_IDS, offers, strict=True) if not of]
    pays = any(eip > 0 for name, (eip, _) in zip(OFFER_IDS, offers, strict=True) if name in naming)
    assert left == sorted(naming if pays else naming + free)


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
    from flows.settings import load

    path = tmp_path / "shop.yaml"
    path.write_text(
        json.dumps({**shop().model_dump(mode="json", include={"sources", "consent"}), **sections})
    )
    with pytest.raises(ConfigError) as error:
        load(path)
    assert f"  - {fault}" in str(error.value)


def test_a_night_reads_what_was_said_from_the_lake_and_nothing_of_somebody_who_was_erased(tmp_path):
    from workspace_world import deliver, order
    from workspace_world import shop as workspace

    from features.pricing import fingerprint
    from flows import inputs
    from flows.forget import erase
    from flows.forgotten import add_forgotten

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
