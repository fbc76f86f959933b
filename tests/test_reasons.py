"""Sentences about the person's own numbers."""

import re
from collections.abc import Mapping, Sequence

import polars as pl
import pytest
from decision_world import NIGHT, appraised, copies, decided, people, rules
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.errors import ConfigError
from models.decision import decide
from models.eligibility import Known
from models.options import ListOptions
from models.outputs import WINBACK
from models.reasons import Group, telling, with_reasons
from models.reasons.language import CATALOGUES, PluralRule, language, languages, places
from models.reasons.sayings import sayings


def sentences(currency: str = "EUR", months: int = 12, **facts: object) -> list[str | None]:
    row = with_reasons(people({"customer_id": "a", **facts}), currency, months)
    return list(row.select("reason_1", "reason_2", "reason_3").row(0))


def test_a_full_row_has_three_sentences():
    assert sentences() == [
        "Usually buys every 21 days; silent for 64 days.",
        "Buys mostly from Kitchen, most often Tea pot.",
        "Winning them back is worth about 40.00 EUR of margin within 12 months.",
    ]


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"orders": 1}, "Bought once, 64 days ago."),
        ({"orders": 1, "days_since_last_purchase": 1}, "Bought once, 1 day ago."),
        ({"usual_gap_days": None}, "Last bought 64 days ago."),
        ({"usual_gap_days": 0.4}, "Usually buys every day; silent for 64 days."),
        ({"usual_gap_days": 80.0}, "Usually buys every 80 days; last bought 64 days ago."),
    ],
)
def test_the_rhythm_is_told_as_it_is(facts, sentence):
    assert sentences(**facts)[0] == sentence


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"favourite_category": None}, "Buys Tea pot most often."),
        ({"favourite_product": None}, "Buys mostly from Kitchen."),
        ({"favourite_product": "A\r\n  {}  B "}, "Buys mostly from Kitchen, most often A {} B."),
    ],
)
def test_favourites_are_told_on_one_line(facts, sentence):
    assert sentences(**facts)[1] == sentence


def test_where_there_is_nothing_to_say_later_sentences_move_up():
    told = sentences(favourite_category=" ", favourite_product=None)
    assert told[1:] == ["Winning them back is worth about 40.00 EUR of margin within 12 months.", None]


def test_money_has_the_digits_of_its_currency():
    assert sentences("JPY", 1)[2] == "Winning them back is worth about 4,000 JPY of margin within 1 month."
    assert sentences("KWD", 6)[2] == "Winning them back is worth about 4.000 KWD of margin within 6 months."


def test_a_shop_without_products_has_no_favourites():
    frame = copies(1).drop("favourite_product", "favourite_category")
    row = decided(frame, rules()).winback.row(0, named=True)
    assert (row["favourite_product"], row["favourite_category"], row["reason_3"]) == (None, None, None)


def reasons(
    why: Mapping[str, float], facts: Mapping[str, object], spoken: str = "en", **more: object
) -> list[str | None]:
    """The three reasons of one person, for contributions of groups and what is known of them."""
    moved = {f"why_{group}": value for group, value in why.items()}
    row = pl.DataFrame([{**KNOWN, **facts, **moved}], schema_overrides=TYPES)
    told = with_reasons(row, str(more.get("currency", "EUR")), 12, spoken)
    return list(told.select("reason_1", "reason_2", "reason_3").row(0))


TYPES = {
    "favourite_category": pl.String,
    "favourite_product": pl.String,
    "usual_gap_days": pl.Float64,
    "days_since_last_complaint": pl.Int32,
    "survey_last": pl.Float64,
    "survey_change": pl.Float64,
}
# Somebody of whom nothing speaks for leaving: no sentence of a group holds.
KNOWN: Mapping[str, object] = {
    "customer_id": "a",
    "days_since_last_purchase": 10,
    "usual_gap_days": 21.0,
    "last_gap_days": 20,
    "last_gap_ratio": 1.0,
    "orders": 8,
    "orders_365d": 4,
    "complaints": 0,
    "days_since_last_complaint": None,
    "nps_last": 9.0,
    "nps_change": 0.0,
    "survey_last": None,
    "survey_change": None,
    "return_lines": 1,
    "return_lines_share": 0.05,
    "cancelled_orders": 0,
    "cancelled_orders_share": 0.0,
    "discount_share": 0.1,
    "discount_share_365d": 0.1,
    "discounted_orders_share": 0.3,
    "first_order_discount_share": 0.2,
    "price_level": 1.0,
    "order_value_last": 4000,
    "order_value_mean": 4000.0,
    "lines_365d": 12,
    "lines_per_order": 3.0,
    "tenure_days": 900,
    "net_amount": 40_000,
    "net_amount_365d": 16_000,
    "categories_90d": 3,
    "categories_trend_90d": 0.0,
    "products_90d": 3,
    "products_trend_90d": 0.0,
    "favourite_category": "Tea",
    "favourite_category_share": 0.4,
    "month_usual": 11,
    "month_usual_share": 0.2,
    "orders_in_season_share": 0.3,
    "contacts_received": 2,
    "contacts_answered": 1,
    "days_since_last_contact": 30,
    "acquisition_channel": "coupon",
    "channel_return_rate": 0.3,
    "shop_return_rate": 0.3,
}
SAID: Sequence[tuple[str, Mapping[str, object], str, str]] = [
    (
        "rhythm",
        {"days_since_last_purchase": 64, "last_gap_days": 44, "last_gap_ratio": 2.1},
        "Usually buys every 21 days, the last gap was 44 days; now silent for 64 days.",
        "Biasanya membeli setiap 21 hari, jeda terakhir 44 hari; kini sudah 64 hari tidak membeli.",
    ),
    (
        "rhythm",
        {"days_since_last_purchase": 64},
        "Usually buys every 21 days; silent for 64 days.",
        "Biasanya membeli setiap 21 hari; sudah 64 hari tidak membeli.",
    ),
    (
        "rhythm",
        {"last_gap_days": 44, "last_gap_ratio": 2.1},
        "Usually buys every 21 days, but the last gap was 44 days.",
        "Biasanya membeli setiap 21 hari, tetapi jeda terakhir 44 hari.",
    ),
    (
        "experience",
        {"complaints": 2, "days_since_last_complaint": 9},
        "Complained 9 days ago and has bought nothing since.",
        "Menyampaikan keluhan 9 hari yang lalu dan belum membeli lagi sejak itu.",
    ),
    (
        "experience",
        {"complaints": 1, "days_since_last_complaint": 30},
        "Complained once, last 30 days ago.",
        "Menyampaikan keluhan 1 kali, terakhir 30 hari yang lalu.",
    ),
    (
        "experience",
        {"nps_last": 4.0, "nps_change": -5.0},
        "Gave a score of 4 last, 9 at first.",
        "Memberi nilai 4 terakhir kali, 9 pada awalnya.",
    ),
    (
        "experience",
        {"return_lines": 3, "return_lines_share": 3 / 14},
        "Gave back 3 of 14 lines bought.",
        "Mengembalikan 3 dari 14 barang yang dibeli.",
    ),
    (
        "experience",
        {"cancelled_orders": 2, "cancelled_orders_share": 0.2},
        "Took back 2 of 10 orders in full.",
        "Membatalkan seluruhnya 2 dari 10 pesanan.",
    ),
    (
        "price",
        {"discount_share_365d": 0.25},
        "Discounts were 25 % of the price in the last year, 10 % over all orders.",
        "Diskon mencapai 25% dari harga dalam setahun terakhir, 10% untuk semua pesanan.",
    ),
    (
        "price",
        {"discounted_orders_share": 0.75},
        "Bought 6 of 8 orders with a discount.",
        "Membeli 6 dari 8 pesanan dengan diskon.",
    ),
    (
        "price",
        {"price_level": 0.8},
        "Pays 20 % less than others in the same categories.",
        "Membayar 20% lebih sedikit daripada pelanggan lain di kategori yang sama.",
    ),
    (
        "price",
        {"orders": 1},
        "The only order came with 20 % off.",
        "Satu-satunya pesanan dibeli dengan diskon 20%.",
    ),
    (
        "basket",
        {"order_value_last": 123_450, "order_value_mean": 200_000.0},
        "The last order was 1,234.50 EUR, the average one 2,000.00 EUR.",
        "Pesanan terakhir 1.234,50 EUR, rata-rata 2.000,00 EUR.",
    ),
    (
        "basket",
        {"lines_365d": 6},
        "The average order of the last year has 1.5 lines, of all years 3.0.",
        "Rata-rata 1,5 barang per pesanan dalam setahun terakhir, 3,0 sepanjang waktu.",
    ),
    (
        "spend",
        {"net_amount_365d": 8_000, "tenure_days": 1095},
        "Spent 80.00 EUR in the last year, 160.00 EUR a year before.",
        "Belanja 80,00 EUR dalam setahun terakhir, sebelumnya 160,00 EUR per tahun.",
    ),
    (
        "range",
        {"categories_90d": 1, "categories_trend_90d": -0.6},
        "Bought from 1 category in the last 90 days, from 4 in the 90 before.",
        "Membeli dari 1 kategori dalam 90 hari terakhir, dari 4 dalam 90 hari sebelumnya.",
    ),
    (
        "range",
        {"products_90d": 2, "products_trend_90d": -0.5},
        "Bought 2 products in the last 90 days, 6 in the 90 before.",
        "Membeli 2 produk dalam 90 hari terakhir, 6 dalam 90 hari sebelumnya.",
    ),
    (
        "range",
        {"favourite_category_share": 0.9},
        "Buys nearly all from one category: 90 % of all lines are Tea.",
        "Hampir semua dari satu kategori: 90% dari semua barang adalah Tea.",
    ),
    (
        "season",
        {"month_usual_share": 0.75, "orders_in_season_share": 0.0},
        "Buys in season: 75 % of 8 orders in November.",
        "Membeli sesuai musim: 75% dari 8 pesanan pada bulan November.",
    ),
    ("settled", {"orders": 1}, "Bought once, 10 days ago.", "Membeli satu kali, 10 hari yang lalu."),
    (
        "settled",
        {"orders": 2, "days_since_last_purchase": 0},
        "Only 2 orders so far, the last today.",
        "Baru 2 pesanan, terakhir hari ini.",
    ),
    (
        "contact",
        {"contacts_answered": 0},
        "Received 2 messages; no purchase followed within two weeks.",
        "Menerima 2 pesan; tidak ada pembelian dalam dua minggu sesudahnya.",
    ),
    (
        "source",
        {"channel_return_rate": 0.2},
        "Came through coupon: 20 % of such customers bought again lately, 30 % of all.",
        (
            "Datang melalui coupon: 20% dari pelanggan seperti ini membeli lagi belakangan ini, "
            "30% dari semua pelanggan."
        ),
    ),
]


@pytest.mark.parametrize(("group", "facts", "english", "indonesian"), SAID)
def test_a_group_is_told_with_the_persons_own_numbers(group, facts, english, indonesian):
    assert reasons({group: 0.5}, facts)[0] == english
    assert reasons({group: 0.5}, facts, "id")[0] == indonesian


@pytest.mark.parametrize(("group", "facts"), [(group, facts) for group, facts, *_ in SAID])
def test_a_group_that_speaks_for_staying_or_hardly_at_all_is_not_told(group, facts):
    plain = reasons({}, facts)
    for little in (0.049, 0.0, -2.0, float("nan")):
        assert reasons({group: little}, facts) == plain


@pytest.mark.parametrize("group", list(Group))
def test_a_sentence_that_the_numbers_speak_against_is_never_given(group):
    assert reasons({group: 3.0}, {}) == reasons({}, {})


def test_the_greatest_comes_first_and_facts_fill_the_rest():
    facts = {"complaints": 1, "days_since_last_complaint": 9, "orders": 2, "favourite_product": None}
    found = reasons({"settled": 0.3, "experience": 0.9}, {**facts, "value_if_returned": 4000.0})
    assert found == [
        "Complained 9 days ago and has bought nothing since.",
        "Only 2 orders so far, the last 10 days ago.",
        "Buys mostly from Tea.",
    ]


def test_of_equals_the_first_group_comes_first():
    facts = {"complaints": 1, "days_since_last_complaint": 9, "discounted_orders_share": 1.0}
    ordered = ["Complained 9 days ago and has bought nothing since.", "Bought 8 of 8 orders with a discount."]
    for price in (0.3, 0.3 + 1e-9):
        assert reasons({"price": price, "experience": 0.3}, facts)[:2] == ordered


def test_a_rhythm_told_as_a_reason_is_not_told_again_as_a_fact():
    found = reasons({"rhythm": 0.4}, {"days_since_last_purchase": 64, "value_if_returned": 100.0})
    assert found == [
        "Usually buys every 21 days; silent for 64 days.",
        "Buys mostly from Tea.",
        "Winning them back is worth about 1.00 EUR of margin within 12 months.",
    ]


def test_points_that_expire_are_a_fact_of_their_own():
    points = {"points_balance": 1200.0, "points_expiring": 300.0, "days_to_points_expiry": 1}
    assert reasons({}, points)[1] == "Of 1,200 points, 300 expire within 30 days, the next in 1 day."
    assert reasons({}, {**points, "points_expiring": 0.0})[1] == "Buys mostly from Tea."


def test_a_shop_that_does_not_have_a_column_does_without_its_sentences():
    bare = pl.DataFrame(
        {"days_since_last_purchase": [3], "orders": [4], "usual_gap_days": [9.0], "why_price": 9.0}
    )
    assert with_reasons(bare, "EUR", 12).row(0)[-3:] == (
        "Usually buys every 9 days; last bought 3 days ago.",
        None,
        None,
    )


def test_chunks_change_nothing(monkeypatch):
    rows = [{**KNOWN, "days_since_last_purchase": n, "why_rhythm": n / 50} for n in range(60)]
    people = pl.DataFrame(rows, schema_overrides=TYPES)
    whole = with_reasons(people, "EUR", 12)
    monkeypatch.setattr(telling, "_CHUNK", 7)
    assert with_reasons(people, "EUR", 12).equals(whole)
    assert with_reasons(people.clear(), "EUR", 12).equals(whole.clear())


@given(gap=st.floats(0, 500), silent=st.integers(0, 900), last=st.integers(0, 900), mean=st.floats(1, 9e4))
def test_numbers_in_a_sentence_never_speak_against_it(gap, silent, last, mean):
    facts = {"usual_gap_days": gap, "days_since_last_purchase": silent, "last_gap_days": last}
    facts |= {"last_gap_ratio": last / max(gap, 1), "order_value_last": last, "order_value_mean": mean}
    for sentence in filter(None, reasons({"rhythm": 1.0, "basket": 1.0}, facts)):
        numbers = [float(one.replace(",", "")) for one in re.findall(r"\d[\d,.]*\d|\d", sentence)]
        usual = [1.0] if "every day" in sentence else []
        if "silent for" in sentence:
            assert (usual + numbers)[0] < numbers[-1]
        if "the last gap" in sentence:
            assert (usual + numbers)[0] < (usual + numbers)[1]
        if "The last order" in sentence:
            assert numbers[0] < numbers[1]


@pytest.mark.parametrize("name", languages())
def test_every_language_says_the_same_with_the_same_numbers(name):
    english, other = language("en").sentences, language(name).sentences
    said = {one.key for some in sayings(12).values() for one in some}
    assert set(other) == set(english) == said
    assert {key: set(places(text)) for key, text in other.items()} == {
        key: set(places(text)) for key, text in english.items()
    }
    for some in sayings(12).values():
        for one in some:
            assert set(one.values) == set(places(english[one.key]))


def test_english_and_indonesian_are_there():
    assert set(languages()) >= {"en", "id"}


def test_a_language_can_have_more_than_two_forms_of_a_word():
    few = {"of": 10, "is": [2, 3, 4], "but_of": 100, "but": [12, 13, 14]}
    polish = language("en").model_copy(
        update={
            "plural": {"one": PluralRule.model_validate({"is": [1]}), "few": PluralRule.model_validate(few)},
            "forms": {"days": {"one": "1 dzień", "few": "{n} dni (few)", "other": "{n} dni"}},
        }
    )
    shown = [polish.shown(n, "days", "PLN") for n in (0, 1, 2, 5, 12, 22, 1001)]
    assert shown == ["0 dni", "1 dzień", "2 dni (few)", "5 dni", "12 dni", "22 dni (few)", "1,001 dni"]


def test_a_language_without_sentences_is_refused():
    with pytest.raises(ConfigError, match=r"language 'xx', only in en, id"):
        language("xx")
    with pytest.raises(ValidationError, match=r"there are no sentences in the language '\.\./en'"):
        ListOptions(language="../en")


def test_a_catalogue_with_an_unknown_form_is_refused(tmp_path, monkeypatch):
    text = (CATALOGUES / "en.yaml").read_text().replace("{silent:ago}", "{silent:since}")
    (tmp_path / "zz.yaml").write_text(text)
    monkeypatch.setattr("models.reasons.language.CATALOGUES", tmp_path)
    with pytest.raises(ConfigError, match="there is no form 'since'"):
        language("zz")


def test_a_catalogue_that_does_not_say_the_same_as_the_english_one_is_refused(tmp_path, monkeypatch):
    text = (CATALOGUES / "en.yaml").read_text()
    less = "".join(line for line in text.splitlines(keepends=True) if "  last_bought:" not in line)
    (tmp_path / "en.yaml").write_text(text)
    (tmp_path / "zz.yaml").write_text(less.replace("{ever:percent} over all", "{always:percent} over all"))
    monkeypatch.setattr("models.reasons.language.CATALOGUES", tmp_path)
    with pytest.raises(ConfigError, match=r"not say the same as en\.yaml: discounts_rise, last_bought\."):
        language("zz")
    (tmp_path / "yy.yaml").write_bytes(text.encode("utf-16"))
    with pytest.raises(ConfigError, match=r"yy\.yaml is no readable catalogue"):
        language("yy")


def test_the_listed_are_told_what_the_model_says():
    def explain(listed: pl.Series) -> pl.DataFrame:
        asked.extend(listed)
        complaint = {"complaints": 1, "days_since_last_complaint": 9, "why_experience": 1.0}
        return pl.DataFrame({"customer_id": listed, **complaint})

    asked: list[str] = []
    people, rule = appraised(copies(30, value_if_returned=4000.0), rules(capacity=5)), rules(capacity=5)
    decision = decide(people, Known(), rule, NIGHT, explain)
    assert sorted(decision.winback["customer_id"]) == sorted(asked)
    assert decision.winback.columns == list(WINBACK)
    assert set(decision.winback["reason_1"]) == {"Complained 9 days ago and has bought nothing since."}
    assert set(decision.winback["reason_2"]) == {"Usually buys every 21 days; silent for 64 days."}
