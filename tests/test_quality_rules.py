from datetime import UTC, date, datetime

import polars as pl
import pytest

from features.errors import ConfigError
from features.quality import BUILT_IN, load_suite
from features.quality.expectations import Check, Expectations, _expectation, _pandas
from features.quality.rules import Rule
from features.quality.suites import Suite

HOSTILE = pl.DataFrame(
    {
        "text": [
            "EUR",
            "eur",
            None,
            "",
            "EUR\n",
            "ÄÖÜ",
            "\U0001f600",
            "A\x00B",
            "EUR EUR",
            " EUR",
            "٣٣٣",
            "EUR",
        ],
        "number": [
            0.0,
            -0.0,
            None,
            1.5,
            float("nan"),
            float("inf"),
            float("-inf"),
            1e300,
            5e-324,
            -1.5,
            10.0,
            9.99,
        ],
        "whole": [0, 1, None, -1, 2**53, -(2**53), 9, 10, 11, 5, 5, 7],
        "other": [0, 2, 3, -1, 1, None, 9, 11, 10, 5, 4, None],
        "moment": [
            datetime(1990, 1, 1, tzinfo=UTC),
            datetime(1989, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            None,
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, tzinfo=UTC),
            datetime(2024, 1, 3, tzinfo=UTC),
            datetime(2024, 1, 3, 0, 0, 0, 1, tzinfo=UTC),
            datetime(2024, 1, 2, tzinfo=UTC),
            *[datetime(2000, 1, 1, tzinfo=UTC)] * 4,
        ],
        "day": [date(1990, 1, 1), date(1989, 12, 31), None, *[date(2024, 1, 3)] * 9],
        "flag": [True, False, None, *[True] * 9],
    },
    schema_overrides={"moment": pl.Datetime("us", "UTC"), "whole": pl.Int64, "other": pl.Int64},
).with_columns(stage=pl.Series(["new", "lost", None, *["new"] * 9], dtype=pl.Enum(["new", "lost", "odd"])))

RULES = [
    {"expectation": "expect_column_values_to_not_be_null", "column": "text"},
    {"expectation": "expect_column_values_to_not_be_null", "column": "number"},
    {"expectation": "expect_column_values_to_not_be_null", "column": "moment"},
    {"expectation": "expect_column_values_to_be_between", "column": "number", "min_value": 0},
    {
        "expectation": "expect_column_values_to_be_between",
        "column": "number",
        "max_value": 10.0,
        "strict_max": True,
    },
    {
        "expectation": "expect_column_values_to_be_between",
        "column": "number",
        "min_value": -2,
        "max_value": 1.5,
    },
    {
        "expectation": "expect_column_values_to_be_between",
        "column": "number",
        "min_value": 0,
        "max_value": 10,
        "strict_min": True,
    },
    {
        "expectation": "expect_column_values_to_be_between",
        "column": "whole",
        "min_value": -1,
        "max_value": 10,
    },
    {"expectation": "expect_column_values_to_be_between", "column": "moment", "min_value": date(1990, 1, 1)},
    {"expectation": "expect_column_values_to_be_between", "column": "moment", "max_value": "today + 2d"},
    {
        "expectation": "expect_column_values_to_be_between",
        "column": "day",
        "min_value": date(1990, 1, 1),
        "max_value": "today",
    },
    {
        "expectation": "expect_column_value_lengths_to_be_between",
        "column": "text",
        "min_value": 1,
        "max_value": 3,
    },
    {
        "expectation": "expect_column_value_lengths_to_be_between",
        "column": "text",
        "max_value": 4,
        "strict_max": True,
    },
    {"expectation": "expect_column_values_to_match_regex", "column": "text", "regex": "^[A-Z]{3}$"},
    {"expectation": "expect_column_values_to_match_regex", "column": "text", "regex": "[A-Z]"},
    {"expectation": "expect_column_values_to_match_regex", "column": "text", "regex": "^(?:EUR|eur)"},
    {"expectation": "expect_column_values_to_not_match_regex", "column": "text", "regex": r"[\x00-\x1f\x7f]"},
    {"expectation": "expect_column_values_to_be_in_set", "column": "text", "value_set": ["EUR", ""]},
    {
        "expectation": "expect_column_values_to_be_in_set",
        "column": "stage",
        "value_set": ["new", "unheard of"],
    },
    {"expectation": "expect_column_values_to_be_unique", "column": "text"},
    {"expectation": "expect_column_values_to_be_unique", "column": "whole"},
    {"expectation": "expect_compound_columns_to_be_unique", "column_list": ["text", "whole"]},
    {"expectation": "expect_compound_columns_to_be_unique", "column_list": ["day", "text", "stage"]},
    {
        "expectation": "expect_column_pair_values_a_to_be_greater_than_b",
        "column_A": "whole",
        "column_B": "other",
    },
    {
        "expectation": "expect_column_pair_values_a_to_be_greater_than_b",
        "column_A": "whole",
        "column_B": "other",
        "or_equal": True,
    },
    {
        "expectation": "expect_column_pair_values_a_to_be_greater_than_b",
        "column_A": "day",
        "column_B": "day",
        "or_equal": True,
    },
    {"expectation": "expect_column_pair_values_to_be_equal", "column_A": "whole", "column_B": "other"},
]


def suite_of(*rules, name="thing", **more):
    rows = [{"id": f"rule_{at}", "because": "it must", **rule} for at, rule in enumerate(rules)]
    tree = {"name": name, "about": "a test", "rules": rows, **more}
    return Suite.model_validate(tree, context={"today": date(2024, 1, 1)})


@pytest.fixture(scope="module")
def great_expectations():
    return Expectations("test", 5)


def rows_that_great_expectations_refuses(context, rule: Rule, frame: pl.DataFrame) -> list[int]:
    batches = context._context.data_sources.add_pandas(context._unique("d")).add_dataframe_asset("a")
    batch = batches.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": _pandas(frame)})
    result = batch.validate(_expectation(Check(rule, 1.0, "")), result_format={"result_format": "COMPLETE"})
    assert result.exception_info["raised_exception"] is False, result.exception_info
    return result.result.get("unexpected_index_list", [])


@pytest.mark.parametrize(
    "rule", suite_of(*RULES).rules, ids=lambda r: f"{r.expectation}-{'-'.join(r.columns)}-{r.id}"
)
def test_a_rule_breaks_the_same_rows_in_polars_and_in_great_expectations(great_expectations, rule):
    in_polars = HOSTILE.select(rule.broken()).to_series().arg_true().to_list()
    assert in_polars == rows_that_great_expectations_refuses(great_expectations, rule, HOSTILE)


def test_every_kind_of_rule_is_compared_with_great_expectations():
    kinds = {rule["expectation"] for rule in RULES}
    used = {rule.expectation for path in BUILT_IN.glob("*.yaml") for rule in load(path.stem).rules}
    assert used <= kinds


def load(name):
    return load_suite(name, today=date(2024, 1, 1))


@pytest.mark.parametrize("name", sorted(path.stem for path in BUILT_IN.glob("*.yaml")))
def test_every_suite_shipped_loads(name):
    assert load(name).rules


def test_every_table_and_output_has_a_suite():
    from features.contracts import TABLES

    names = {path.stem for path in BUILT_IN.glob("*.yaml")}
    assert names == {*TABLES, "features", "scores", "winback", "holdout", "feeds", "night"}


def test_a_rule_of_the_user_stands_in_for_the_built_in_suite(tmp_path):
    (tmp_path / "points.yaml").write_text(
        "about: own\nrules:\n- {id: few, expectation: expect_column_values_to_be_between, column: balance,"
        " max_value: 5, because: few}\n"
    )
    assert [rule.id for rule in load_suite("points", tmp_path).rules] == ["few"]
    assert len(load_suite("products", tmp_path).rules) > 1


def test_all_faults_of_a_suite_are_named_at_once(tmp_path):
    (tmp_path / "points.yaml").write_text(
        """
about: own
colour: red
rules:
- {id: Few, expectation: expect_column_values_to_be_between, column: balance, because: a}
- {id: b, expectation: expect_column_values_to_match_regex, column: customer_id, regex: '\\d+', because: b}
- {id: c, expectation: expect_column_to_smell_good, column: balance, because: c}
- {id: d, expectation: expect_column_values_to_not_be_null, columm: balance, because: d}
- {id: e, expectation: expect_column_values_to_be_between, column: expires_at, max_value: soon, because: e}
- {id: f, expectation: expect_column_values_to_be_between, column: balance, max_value: 9007199254740993}
"""
    )
    with pytest.raises(ConfigError) as caught:
        load_suite("points", tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "points.yaml") in message
    for part in (
        "colour",
        "rules[1].id",
        "rules[2].regex",
        r"\d",
        "rules[3]",
        "rules[4].columm",
        "'soon'",
        "2^53",
    ):
        assert part in message


def test_a_column_that_the_table_does_not_have_is_named_with_a_near_miss(tmp_path):
    (tmp_path / "points.yaml").write_text(
        "about: own\nrules:\n- {id: a, expectation: expect_column_values_to_not_be_null,"
        " column: balanse, because: a}\n"
    )
    with pytest.raises(ConfigError, match=r"no column 'balanse'.*Did you mean 'balance'"):
        load_suite("points", tmp_path)


def test_rows_of_a_rule_that_looks_at_many_rows_cannot_be_set_aside():
    with pytest.raises(ValueError, match="more than one row"):
        suite_of({"expectation": "expect_column_values_to_be_unique", "column": "text", "rows": "quarantine"})


@pytest.mark.parametrize("id_", ["bad_share", "missing_customer_id", "unreadable_ordered_at", "excluded_x"])
def test_a_rule_may_not_be_called_like_a_fault_of_the_reader(id_):
    with pytest.raises(ValueError, match="itself uses"):
        suite_of({"id": id_, "expectation": "expect_column_values_to_not_be_null", "column": "text"})


def test_a_bound_counted_from_today_needs_to_know_today():
    with pytest.raises(ConfigError, match="does not know what today is"):
        load_suite("transactions")


def test_an_unknown_suite_names_those_there_are():
    with pytest.raises(ConfigError, match=r"no quality suite 'transaction'.*transactions"):
        load_suite("transaction")


def test_a_suite_that_is_not_yaml_is_one_message(tmp_path):
    (tmp_path / "points.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_suite("points", tmp_path)
    (tmp_path / "points.yaml").write_text("just text")
    with pytest.raises(ConfigError, match="holds no suite"):
        load_suite("points", tmp_path)
