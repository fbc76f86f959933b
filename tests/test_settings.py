"""The config: every fault at once, each with its place; `--set` on top; secrets from the environment."""

import json
from pathlib import Path

import pytest

from features.errors import ConfigError
from flows.settings import Settings, load, secret

GOOD = """
sources:
  transactions:
    path: orders.csv
    columns: {customer_id: who, ordered_at: when, net_amount: paid}
consent: {basis: assumed}
"""


def write(folder: Path, text: str, name: str = "shop.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_short_config_is_enough(tmp_path: Path) -> None:
    settings = load(write(tmp_path, GOOD))
    assert (settings.churn.horizon_days, settings.currency) == (None, "EUR")


def test_all_faults_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    text = """
timezone: Mars/Olympus
curency: EUR
sources:
  transactions:
    path: a.csv
    columns: {customer_id: who, ordered: when}
  loyalty: {path: b.csv, columns: {}}
list: {capacity: many}
"""
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, text))
    message = str(error.value)
    for part in (
        "Mars/Olympus",
        "curency: there is no such key",
        "'currency'",
        "list.capacity",
        "consent: required",
    ):
        assert part in message


def test_faults_between_parts_are_told_together(tmp_path: Path) -> None:
    text = GOOD.replace("net_amount: paid", "amount: paid") + "offers: [{id: call, channel: phone}]\n"
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, text))
    message = str(error.value)
    assert "sources.transactions.columns.amount: transactions has no such column" in message
    assert "sources.transactions.columns.net_amount: required" in message
    assert "offers.call.channel" in message


def test_what_no_source_can_be_read_with_is_told_before_any_is_read(tmp_path: Path) -> None:
    overrides = [
        "sources.transactions.timezone=Berlin",
        "sources.transactions.encoding=base64",
        "sources.transactions.time_formats=['%d.%m.%Y', '%d.%m.%Q', '%H:%M', '%d/%m/%y %z']",
        "timezone=localtime",
    ]
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, GOOD), overrides)
    said = str(error.value).splitlines()
    assert said[0].endswith("shop.yaml has 6 faults:")
    assert [line.partition(";")[0].partition(": ")[2] for line in said[1:]] == [
        "'localtime' is not a time zone",
        "Python knows no text encoding 'base64'",
        *(
            f"'{layout}' is not a time format that can be read: it takes a whole day, and with an offset "
            "also a time of day"
            for layout in ("%d.%m.%Q", "%H:%M", "%d/%m/%y %z")
        ),
        "'Berlin' is not a time zone",
    ]


@pytest.mark.parametrize(
    "layout",
    [
        *("%m/%d/%Y", "%d.%m.%y", "%-d/%-m/%y", "%e %B %Y", "%Y%m%d", "%F", "%D", "%x", "%Y-%j", "%G-W%V-%u"),
        *("%d.%m.%Y um %H:%M Uhr", "%b %d %Y %I:%M %p", "%F %T", "%c", "%Y-%m-%d %H:%M:%S.%f", "%s"),
        *("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M %z", "%Y-%m-%d %H:%M%:z", "%+"),
    ],
)
def test_time_formats_that_say_a_day_are_taken(tmp_path: Path, layout: str) -> None:
    settings = load(write(tmp_path, GOOD), [f"sources.transactions.time_formats=['{layout}']"])
    assert settings.sources["transactions"].time_formats == (layout,)


@pytest.mark.parametrize("name", ["utf-8", "CP1252", "latin-1", "utf_16_le", "iso8859-15", "utf-8-sig"])
def test_encodings_that_python_has_are_taken(tmp_path: Path, name: str) -> None:
    settings = load(write(tmp_path, GOOD), [f"sources.transactions.encoding={name}"])
    assert settings.sources["transactions"].encoding == name


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("list.budget=true", "list.budget: "),
        ("list.capacity=yes", "list.capacity: "),
        ("value.margin_rate=on", "value.margin_rate: "),
        ("value.margin_rate={default: off}", "value.margin_rate: "),
        ("contact.cost.email=no", "contact.cost.email: "),
        ("list.channel_capacity={email: yes}", "list.channel_capacity.email: "),
        ("offers=[{id: message}, {id: gift, cost: true}]", "offers.1.cost: "),
        ("seed=true", "seed: "),
        ("country=NO", "country: "),
    ],
)
def test_a_flag_is_no_number_and_no_text(tmp_path: Path, override: str, place: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, GOOD), [override])
    assert str(error.value).splitlines()[1:] == [
        f"  - {place}true or false is no value here (YAML reads yes, no, on and off so; put a text in quotes)"
    ]


def test_a_flag_is_taken_where_one_is_asked_for(tmp_path: Path) -> None:
    assert load(write(tmp_path, GOOD), ["list.include_lost=yes"]).list.include_lost


@pytest.mark.parametrize(("overrides", "said"), [((), "has 1 fault:"), (("seed=-1",), "has 2 faults:")])
def test_faults_are_counted_in_words_that_fit(tmp_path: Path, overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(write(tmp_path, GOOD), ["list.budget=-1", *overrides])


def test_a_folder_in_place_of_a_config_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder, not a config file\. .* in the folder: none\."):
        load(tmp_path)
    write(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=r"in the folder: shop\.yaml\."):
        load(tmp_path)


@pytest.mark.parametrize(
    "override",
    [
        "effect.assumed.mu=.nan",
        "list.budget=.inf",
        "churn.horizon_days=99999999999",
        "contact.cost.email=-1",
        "contact.cost.email=1e17",
        "effect.assumed.mu=1000",
        "effect.assumed.sd=1e6",
        "effect.cautious_percentile=0.8",
        "list.budget=1e306",
        "list.capacity=99999999999999999999",
        "workspace=''",
        "workspace='shops [1]'",
        "workspace=a%20b",
        "seed=99999999999999999999",
    ],
)
def test_values_that_no_run_can_use_are_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0].replace(".", r"\.")):
        load(write(tmp_path, GOOD), [override])


@pytest.mark.parametrize("rate", ["30", "-1.5", "{default: 0.3, Toys: 40}"])
def test_a_margin_in_per_cent_is_no_share(tmp_path: Path, rate: str) -> None:
    with pytest.raises(ConfigError, match=r"margin_rate is a share .* write 0\.3 for 30 %"):
        load(write(tmp_path, GOOD), [f"value.margin_rate={rate}"])


def test_a_key_that_is_given_twice_is_told_with_its_line(tmp_path: Path) -> None:
    twice = GOOD.replace("consent", "  transactions: {path: other.csv, columns: {}}\nconsent")
    with pytest.raises(ConfigError, match=r"'transactions' is given twice(.|\n)*line 3"):
        load(write(tmp_path, twice))


def test_a_value_can_be_set_for_one_run(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    settings = load(path, ["list.budget=500", "sources.transactions.path=[a.csv, b.csv]", "engine=local"])
    assert settings.list.budget == 500
    assert settings.sources["transactions"].path == ("a.csv", "b.csv")


@pytest.mark.parametrize(
    "override", ["list.budget", "list.budget=", "list.budget= ", "=3", "timezone.zone=UTC", "list.budget=[1"]
)
def test_a_set_that_is_not_understood_is_told(tmp_path: Path, override: str) -> None:
    path = write(tmp_path, GOOD + "timezone: UTC\n")
    with pytest.raises(ConfigError, match="--set"):
        load(path, [override])


def test_a_config_can_extend_another(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "list: {budget: 5, capacity: 7}\n", "base.yaml")
    settings = load(write(tmp_path, "extends: base.yaml\nlist: {budget: 9}\n"))
    assert (settings.list.budget, settings.list.capacity) == (9, 7)


def test_a_config_that_extends_itself_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="extends itself"):
        load(write(tmp_path, "extends: shop.yaml\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [("- a\n", "no keys"), ("a: [", "YAML"), ("[" * 9999, "YAML"), ("", "no keys")],
    ids=["list", "open", "deep", "empty"],
)
def test_a_file_that_is_no_config_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(write(tmp_path, text))


def test_a_missing_file_is_told() -> None:
    with pytest.raises(ConfigError, match="no config file"):
        load("nowhere.yaml")


def test_the_hash_says_what_is_decided_not_where_files_lie(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    here = load(path)
    there = load(path, ["workspace=/elsewhere", "sources.transactions.path=other.csv"])
    assert here.digest() == there.digest()
    assert load(path, ["list.budget=1"]).digest() != here.digest()


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "pssst")
    assert secret("postgresql://me:${SHOP_PASSWORD}@host/db") == "postgresql://me:pssst@host/db"
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE"):
        secret("${NOT_SET_ANYWHERE}")


def test_secrets_are_not_in_the_resolved_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "pssst")
    text = GOOD.replace(
        "path: orders.csv", "uri: 'postgresql://me:${SHOP_PASSWORD}@host/db'\n    query: SELECT 1"
    )
    assert "pssst" not in json.dumps(load(write(tmp_path, text)).resolved())


def test_the_schema_describes_every_key() -> None:
    schema = Settings.model_json_schema()
    sections = {
        "properties": schema["properties"],
        **{n: d for n, d in schema["$defs"].items() if "properties" in d},
    }
    assert {"QualityOptions", "ListOptions", "SourceOptions"} <= set(sections)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_at_the_end_of_the_calendar_is_told(tmp_path: Path, day: str) -> None:
    with pytest.raises(ConfigError, match="years 1900 to 2200"):
        load(write(tmp_path, GOOD)).as_of(day)


@pytest.mark.parametrize("day", ["1998-3-31", "yesterday", "31.03.1998"])
def test_a_day_is_written_in_one_way(tmp_path: Path, day: str) -> None:
    with pytest.raises(ConfigError, match="YYYY-MM-DD"):
        load(write(tmp_path, GOOD)).as_of(day)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["ordrs"], "'ordrs': no such feature that can be learned from.*Did you mean 'orders'"),
        (["customer_id"], "'customer_id': no such feature"),
        (["p0", "returned"], "'p0', 'returned': no such feature"),
        (["orders", "orders"], "'orders' is given twice"),
    ],
)
def test_who_answers_is_learned_from_features_alone(tmp_path: Path, names: list[str], told: str) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=f"uplift.features: {told}"):
        load(path, [f"uplift.features={json.dumps(names)}"])
    assert load(path, ["uplift.features=[orders_30d]"]).uplift.features == ("orders_30d",)


@pytest.mark.parametrize(
    ("override", "faults"),
    [
        ("offers=[{id: a, cost: -1}]", ["offers.0.cost: Input should be greater than or equal to 0"]),
        ("offers=[]", ["offers: at least one entry is needed here"]),
        ("offers=5", ["offers: a list is needed here: give it whole, written [a, b]"]),
        ("offers.0.cost=5", ["offers: a list is needed here: give it whole, written [a, b]"]),
        (
            "sources.customers=null",
            ["sources.customers: holds nothing; leave the table out"],
        ),
        ("list=5", ["list: a table is needed here, written {key: value}"]),
        ("contact.cost=3", ["contact.cost: a table is needed here, written {name: value}"]),
        (
            "value.margin_rate=abc",
            ["value.margin_rate: a number is needed here, or a table is needed here, written {name: "],
        ),
        ("value.margin_rate={default: x}", ["value.margin_rate.default: a number is needed here"]),
        (
            "sources.transactions.path=[1, a]",
            ["sources.transactions.path.0: a text is needed here"],
        ),
        (
            "effect.by_stage={gone: {mu: 1}}",
            ["effect.by_stage.gone: Input should be 'lost', 'lapsed'"],
        ),
        (
            "effect.by_stage={gone: {muu: 1}}",
            [
                "effect.by_stage.gone: Input should be 'lost', 'lapsed'",
                "effect.by_stage.gone.muu: there is no such key.",
            ],
        ),
        (
            "effect.by_stage={gone: 5}",
            [
                "effect.by_stage.gone: Input should be 'lost', 'lapsed'",
                "effect.by_stage.gone: a table is needed here",
            ],
        ),
        (
            "contact.cost={'sms [a]': x, email: y}",
            ["contact.cost.sms [a]: a nu", "contact.cost.email: a"],
        ),
    ],
)
def test_faults_are_said_in_words_of_the_config_and_each_once(
    tmp_path: Path, override: str, faults: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, GOOD), [override])
    first, *said = str(error.value).splitlines()
    assert first.endswith(f"has {len(faults)} fault{'s' if len(faults) > 1 else ''}:")
    for line, fault in zip(said, faults, strict=True):
        assert line.startswith(f"  - {fault}")


def test_an_entry_of_a_list_cannot_be_set_by_its_number(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "offers: [{id: message}]\n")
    with pytest.raises(ConfigError, match=r"offers is a list\. Give it whole, in the config or by"):
        load(path, ["offers.0.cost=5"])


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "stages={at_risk_quantile: 0.95, lapsed_quantile: 0.9}",
            "stages: at_risk_quantile (0.95) is ",
        ),
        (
            "value.discount_rate=1e9",
            "value.discount_rate: discount_rate is a yearly share from 0 to",
        ),
        (
            'contact.cost={email: 1, "e\\nmail": 1}',
            "contact.cost: 'e\\nmail' is no name of a channel",
        ),
        (
            "contact.cost={email: 1, ' ': 1}",
            "contact.cost: ' ' is no name of a channel",
        ),
    ],
)
def test_values_that_make_no_sense_are_told(tmp_path: Path, override: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, GOOD), [override])
    [said] = str(error.value).splitlines()[1:]
    assert said.startswith(f"  - {told}")


def test_the_lines_between_stages_may_fall_together(tmp_path: Path) -> None:
    alike = load(write(tmp_path, GOOD), ["stages={at_risk_quantile: 0.9, lapsed_quantile: 0.9}"])
    assert alike.stages.at_risk_quantile == 0.9
