import html
import logging
import re
import socket
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataRefused, WinbackError
from features.options import QualityOptions
from features.quality import (
    BROKEN_ROWS,
    Gate,
    Tally,
    Verdict,
    count_broken,
    first_broken_rule,
    load_suite,
    refuse,
)
from features.quality.suites import Suite

KEY = ("source_file", "source_line")
OPTIONS = QualityOptions(max_bad_share=0.5, row_keys_shown=2, sample_rows=1000)


def suite_of(*rules, **more):
    tree = {"name": "orders", "about": "Orders", "rules": [{"because": "it must", **rule} for rule in rules]}
    return Suite.model_validate(tree | more, context={"today": date(2024, 1, 1)})


def not_null(column, **more):
    rule = {"id": f"{column}_null", "expectation": "expect_column_values_to_not_be_null", "column": column}
    return rule | more


def at_least_zero(column, **more):
    rule = {"id": f"{column}_low", "expectation": "expect_column_values_to_be_between", "column": column}
    return rule | {"min_value": 0} | more


ORDERS = pl.DataFrame(
    {
        "customer_id": ["anna@shop.example", None, "zoe@shop.example", "bob@shop.example"],
        "amount": [1, -7, 3, -9],
        "source_file": ["a.csv", "a.csv", "b.csv", "b.csv"],
        "source_line": [2, 3, 2, 9],
    }
)


def check(gate, suite, frame=ORDERS, *, personal=frozenset(), key=KEY, **more):
    counts = count_broken(suite, frame)
    return gate.check_rows(
        suite, frame, counts, frame.height, key, personal, label="orders of tonight", **more
    )


@pytest.fixture
def gate():
    return Gate(None, OPTIONS)


def test_the_first_broken_rule_names_the_row_and_kept_rules_do_not():
    suite = suite_of(
        at_least_zero("amount", rows="quarantine"),
        not_null("customer_id", rows="quarantine"),
        not_null("source_file", rows="keep"),
    )
    named = ORDERS.select(first_broken_rule(suite, ORDERS.columns)).to_series().to_list()
    assert named == [None, "amount_low", None, "amount_low"]
    counts = count_broken(suite, ORDERS)
    assert counts == {"amount_low": 2, "customer_id_null": 1, "source_file_null": 0, BROKEN_ROWS: 2}


def test_the_pass_works_lazily_on_the_streaming_engine():
    suite = load_suite("transactions", today=date(2024, 1, 1))
    frame = ORDERS.lazy().select(
        "customer_id", net_amount="amount", ordered_at=pl.lit(datetime(2023, 1, 1, tzinfo=UTC))
    )
    columns = frame.collect_schema().names()
    found = frame.select(first_broken_rule(suite, columns)).collect(engine="streaming")
    assert found.to_series().to_list() == [None] * 4


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(-3, 3)), st.sampled_from([None, "ragged_row"])),
        max_size=40,
    ),
    st.integers(1, 7),
)
def test_counts_of_chunks_add_up_and_every_row_is_either_accepted_or_set_aside(rows, size):
    frame = pl.DataFrame(
        {"amount": [a for a, _ in rows], "fault": [f for _, f in rows]},
        schema={"amount": pl.Int64, "fault": pl.String},
    ).with_columns(source_file=pl.lit("f"), source_line=pl.int_range(pl.len(), dtype=pl.Int64))
    suite = suite_of(at_least_zero("amount", rows="quarantine"), not_null("amount"))
    whole, chunked = (Tally(suite, sample_rows=8, keys_shown=2) for _ in range(2))
    judged = [chunked.add(frame[at : at + size]) for at in range(0, frame.height, size)]
    assert whole.add(frame)["rule"].to_list() == [rule for part in judged for rule in part["rule"]]
    assert (dict(+whole.counts), whole.faults, whole.rows) == (
        dict(+chunked.counts),
        chunked.faults,
        chunked.rows,
    )
    assert whole.sample["source_line"].to_list() == chunked.sample.to_dict(as_series=False).get(
        "source_line", []
    )
    assert chunked.sample.height <= 8
    accepted = sum(part["rule"].null_count() for part in judged)
    assert accepted + chunked.counts.get(BROKEN_ROWS, 0) + sum(chunked.faults.values()) == frame.height


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.none() | st.text("aé語\U0001f600", max_size=5), max_size=6),
    st.none() | st.integers(0, 4),
    st.none() | st.integers(4, 9),
    st.booleans(),
    st.booleans(),
)
def test_lengths_that_a_cheap_look_settles_are_counted_as_if_all_were_measured(
    texts, least, most, above, below
):
    if least is most is None:
        least = 1
    rule = {"id": "length", "expectation": "expect_column_value_lengths_to_be_between", "column": "text"}
    bounds = {"min_value": least, "max_value": most, "strict_min": above, "strict_max": below}
    suite = suite_of(rule | bounds)
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    expected = frame.select(suite.rules[0].broken().sum()).item()
    assert count_broken(suite, frame) == {"length": expected, BROKEN_ROWS: 0}


def test_a_tally_keeps_some_rows_of_every_broken_rule_even_where_the_sample_has_none():
    suite = suite_of(at_least_zero("amount"))
    tally = Tally(suite, sample_rows=4, keys_shown=2)
    for start in range(0, 40, 10):
        tally.add(pl.DataFrame({"amount": [-1 if at == 37 else at for at in range(start, start + 10)]}))
    assert tally.sample["amount"].to_list() == [0, 16, 32]
    assert tally.failing["amount"].to_list() == [-1]


def test_a_failed_critical_expectation_is_named_with_count_share_and_row_keys(gate):
    verdict = check(gate, suite_of(at_least_zero("amount")))
    with pytest.raises(DataRefused) as caught:
        refuse([verdict])
    assert caught.value.exit_code == 3
    found = "2 of 4 rows (50.00%, allowed 0.00%). Rows: a.csv:3, b.csv:9. Found: -7, -9."
    assert str(caught.value).splitlines() == [
        "The data does not pass the quality gate; nothing after it has changed.",
        "orders of tonight:",
        f"  amount_low (critical): it must. {found}",
    ]


def test_every_failed_expectation_of_every_verdict_is_named(gate):
    first = check(gate, suite_of(at_least_zero("amount"), not_null("customer_id")))
    second = check(gate, suite_of(not_null("customer_id", id="nobody")))
    with pytest.raises(DataRefused, match=r"(?s)amount_low.*customer_id_null.*nobody"):
        refuse([first, second])


def test_a_warning_is_reported_and_does_not_stop(gate, caplog):
    with caplog.at_level(logging.WARNING):
        verdict = check(gate, suite_of(at_least_zero("amount", severity="warning")))
    refuse([verdict])
    assert verdict.passed
    assert [warning.rule for warning in verdict.warnings] == ["amount_low"]
    assert "amount_low" in caplog.text


def test_a_rule_tolerates_its_own_share(gate):
    assert check(gate, suite_of(at_least_zero("amount", at_most=0.5))).passed
    assert not check(gate, suite_of(at_least_zero("amount", at_most=0.49))).passed


def test_rows_that_are_set_aside_are_judged_by_the_share_of_the_config():
    suite = suite_of(at_least_zero("amount", rows="quarantine"))
    assert check(Gate(None, OPTIONS), suite).passed
    strict = check(Gate(None, QualityOptions(max_bad_share=0.49)), suite)
    assert [failure.rule for failure in strict.failures] == ["amount_low", "bad_share"]


def test_faults_of_the_reader_count_as_bad_rows_and_exclusions_do_not(gate):
    suite = suite_of(at_least_zero("amount", rows="quarantine", at_most=1.0))
    counts = {"amount_low": 2, BROKEN_ROWS: 2}
    faults = {"ragged_row": 3, "excluded_not_a_product": 90}
    verdict = gate.check_rows(suite, ORDERS, counts, 97, KEY, label="orders", faults=faults)
    [failure] = verdict.failures
    assert (failure.rule, failure.failed, failure.rows) == ("bad_share", 5, 7)
    assert failure.examples == ("ragged_row 3", "amount_low 2")
    fine = gate.check_rows(
        suite, ORDERS, counts, 94, KEY, label="orders", faults={"excluded_not_a_product": 90}
    )
    assert fine.passed


def test_exact_counts_decide_and_not_the_sample(gate):
    suite = suite_of(at_least_zero("amount"))
    good = ORDERS.filter(pl.col("amount") > 0)
    verdict = gate.check_rows(
        suite, good, {"amount_low": 1, BROKEN_ROWS: 0}, 10**7, KEY, label="o", failing=ORDERS
    )
    [failure] = verdict.failures
    assert (failure.failed, failure.rows, failure.keys) == (1, 10**7, ("a.csv:3", "b.csv:9"))


def test_rules_on_absent_columns_are_skipped_and_said_so(gate):
    verdict = check(gate, suite_of(at_least_zero("discount"), not_null("source_file")))
    assert verdict.passed
    assert verdict.skipped == ("discount_low",)


def test_an_empty_table_and_one_without_any_rule_pass(gate):
    assert check(gate, suite_of(at_least_zero("amount"), not_null("customer_id")), ORDERS.clear()).passed
    assert check(gate, suite_of(at_least_zero("discount"))).passed


def test_a_whole_table_is_judged_from_its_own_rows(gate):
    twice = {"id": "twice", "expectation": "expect_column_values_to_be_unique", "column": "customer_id"}
    frame = pl.concat([ORDERS, ORDERS.head(1)])
    verdict = gate.check_table(
        suite_of(twice), frame, ["customer_id"], frozenset({"customer_id"}), label="scores"
    )
    [failure] = verdict.failures
    assert (failure.failed, failure.keys, failure.examples) == (2, ("row 1", "row 5"), ())


def test_a_crash_inside_an_expectation_is_raised_and_does_not_look_like_bad_data(gate):
    suite = suite_of(at_least_zero("amount"))
    frame = ORDERS.with_columns(pl.col("amount").cast(pl.String))
    with pytest.raises(WinbackError, match="amount_low could not be evaluated") as caught:
        gate.check_rows(suite, frame, {"amount_low": 0, BROKEN_ROWS: 0}, 4, KEY, label="orders")
    assert not isinstance(caught.value, DataRefused)


def test_measures_are_judged_and_those_not_taken_are_skipped(gate):
    suite = suite_of(
        at_least_zero("margin", shows=["newest"]),
        at_least_zero("growth"),
        at_least_zero("absent"),
        at_least_zero("fine"),
        over="measures",
    )
    measures = pl.DataFrame({"margin": [-2], "growth": [None], "fine": [1.5], "newest": [date(2024, 1, 1)]})
    verdict = gate.check_measures(suite, measures, label="feeds")
    assert verdict.skipped == ("growth_low", "absent_low")
    with pytest.raises(
        DataRefused, match=r"margin_low \(critical\): it must\. Found: margin -2, newest 2024-01-01"
    ):
        refuse([verdict])


def test_nothing_to_measure_passes(gate):
    verdict = gate.check_measures(
        suite_of(at_least_zero("a"), over="measures"), pl.DataFrame({"b": [1]}), label="f"
    )
    assert verdict == Verdict("orders", "f", passed=True, failures=(), warnings=(), skipped=("a_low",))


def published(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


HOSTILE = pl.DataFrame(
    {
        "customer_id": ["secret@shop.example", "<script>secret</script>"],
        "category": ["<script>alert('x')</script>", "<svg onload=alert(2)>" + "y" * 2000],
        "source_file": ["<b>.csv", "<b>.csv"],
        "source_line": [2, 3],
    }
)
PATTERN = {"expectation": "expect_column_values_to_match_regex", "regex": "^[0-9]+$"}


@pytest.fixture
def docs(tmp_path):
    suite = suite_of(
        PATTERN | {"id": "id_odd", "column": "customer_id"},
        PATTERN | {"id": "category_odd", "column": "category"},
        {
            "id": "pair_odd",
            "expectation": "expect_column_pair_values_to_be_equal",
            "column_A": "category",
            "column_B": "customer_id",
        },
        at_least_zero("amount"),
    )
    with Gate(tmp_path / "quality", OPTIONS, run="nightly 2024-01-01") as gate:
        verdict = check(gate, suite, HOSTILE, personal=frozenset({"customer_id"}))
    return tmp_path / "quality", verdict


def test_values_of_personal_columns_are_in_no_message_and_on_no_page(docs):
    folder, verdict = docs
    with pytest.raises(DataRefused) as caught:
        refuse([verdict])
    assert "secret" not in str(caught.value)
    assert "alert" in str(caught.value)
    for name, text in published(folder).items():
        assert "secret" not in text, name


def test_pages_show_values_as_text_and_never_run_them(docs):
    folder, _ = docs
    pages = {name: text for name, text in published(folder).items() if name.endswith(".html")}
    assert any("&lt;script&gt;alert(" in text for text in pages.values())
    for name, text in pages.items():
        assert not re.search(r"<(script|svg|img|link|iframe|b)\b", text), name


def test_pages_open_without_a_network_and_lead_to_each_other(docs):
    folder, verdict = docs
    assert verdict.docs == folder / "index.html"
    index = verdict.docs.read_text()
    assert "orders of tonight" in index
    assert "amount_low" in index
    links = re.findall(r'href="([^"#]+)"', index)
    assert len(links) == 2
    for link in links:
        page = folder / html.unescape(link)
        text = page.read_text()
        assert "category" in text
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
        for onward in re.findall(r'href="([^"#]+)"', text):
            assert (page.parent / onward).resolve().is_file(), onward


def test_the_same_run_again_takes_the_place_of_its_pages_and_other_runs_stay(tmp_path):
    suite = suite_of(not_null("source_file"))
    for run in ("night 1", "night 2", "night 2"):
        with Gate(tmp_path, OPTIONS, run=run) as gate:
            check(gate, suite)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["000001-night-1", "000003-night-2", "index.html"]
    assert re.findall("<h2>(.*?)</h2>", (tmp_path / "index.html").read_text()) == ["night 2", "night 1"]


def test_what_an_interrupted_run_left_is_cleared_away(tmp_path):
    (tmp_path / ".next-000001-x").mkdir()
    with Gate(tmp_path, OPTIONS) as gate:
        check(gate, suite_of(not_null("source_file")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001-run", "index.html"]


def test_a_gate_that_checked_nothing_writes_nothing(tmp_path):
    with Gate(tmp_path / "quality", OPTIONS):
        pass
    assert not (tmp_path / "quality").exists()


def test_nothing_is_sent_and_nothing_is_printed(tmp_path, monkeypatch, capfd):
    def refuse_connection(*_args):
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse_connection)
    monkeypatch.setattr(socket, "getaddrinfo", refuse_connection)
    with Gate(tmp_path, OPTIONS) as gate:
        check(gate, suite_of(not_null("source_file")))
        assert gate._lazy._context.config.analytics_enabled is False
    assert capfd.readouterr() == ("", "")


def test_many_rows_are_sampled_and_all_are_counted(gate):
    frame = pl.DataFrame({"amount": range(-3, 5000)})
    verdict = gate.check_table(suite_of(at_least_zero("amount", at_most=0.0005)), frame, [], label="features")
    [failure] = verdict.failures
    assert (failure.failed, failure.rows, failure.keys) == (3, 5003, ("row 1", "row 2"))


def test_many_deliveries_are_judged_at_once_and_each_by_itself(tmp_path):
    suite = suite_of(at_least_zero("amount", rows="quarantine"), not_null("customer_id", severity="warning"))
    tallies = {}
    for name, frame in (("good", ORDERS.head(1)), ("bad", ORDERS.tail(3)), ("empty", ORDERS.clear())):
        tallies[name] = Tally(suite, sample_rows=2, keys_shown=5)
        tallies[name].add(frame)
    tallies["unreadable"] = Tally(suite, sample_rows=2, keys_shown=5)
    tallies["unreadable"].add(ORDERS.with_columns(fault=pl.lit("ragged_row")))
    with Gate(tmp_path, OPTIONS) as gate:
        verdicts = gate.check_deliveries(suite, tallies, label="orders")
        assert gate.check_deliveries(suite, {}, label="none") == []
    assert [(one.label, one.passed) for one in verdicts] == [
        ("orders: good", True),
        ("orders: bad", False),
        ("orders: empty", True),
        ("orders: unreadable", False),
    ]
    assert [(one.rule, one.keys) for one in verdicts[1].failures] == [
        ("amount_low", ("a.csv:3", "b.csv:9")),
        ("bad_share", ()),
    ]
    assert [one.keys for one in verdicts[1].warnings] == [("a.csv:3",)]
    assert [(one.rule, one.examples) for one in verdicts[3].failures] == [("bad_share", ("ragged_row 4",))]
    assert "orders: bad: amount_low" in (tmp_path / "index.html").read_text()


def test_a_delivery_judged_with_others_gets_the_verdict_it_gets_alone(gate):
    suite = suite_of(at_least_zero("amount"), not_null("customer_id", at_most=0.3))
    tallies = {}
    for name in "abc":
        tallies[name] = Tally(suite, sample_rows=10, keys_shown=2)
        tallies[name].add(ORDERS.filter(pl.col("amount") > -8 + ord(name) % 3))
    together = gate.check_deliveries(suite, tallies, label="orders")
    alone = [gate.check_deliveries(suite, {name: one}, label="orders")[0] for name, one in tallies.items()]
    assert together == alone
