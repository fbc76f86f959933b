"""The demo shop: the same plan gives the same bytes, its files agree with each other, its people behave."""

import csv
import hashlib
import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contracts import TABLES
from features.errors import ConfigError
from features.sources import find_deliveries, map_chunk, read_delivery
from flows.demo_shop import ShopFiles, ShopPlan, write_lines, write_shop
from flows.demo_shop.calendar import Season, make_calendar
from flows.demo_shop.dirt import Fault, Spots, soil
from flows.demo_shop.people import draw_people
from flows.demo_shop.plan import Draw
from flows.settings import CONFIGS, load

SMALL = ShopPlan(customers=400, seed=3, start=date(2024, 1, 1), end=date(2025, 3, 31), block=150, shard=300)
CLEAN = ShopPlan(customers=4_000, seed=3, dirty=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    return write_shop(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    return write_shop(tmp_path_factory.mktemp("clean"), CLEAN)


@pytest.fixture(scope="module")
def lines(clean: ShopFiles) -> pl.DataFrame:
    return pl.concat(
        [pl.read_csv(path, try_parse_dates=True, infer_schema_length=None) for path in clean.orders]
    )


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _read(files: ShopFiles, name: str) -> pl.DataFrame:
    return pl.read_csv(files.raw / f"{name}.csv", try_parse_dates=True, infer_schema_length=None)


def _truth(files: ShopFiles, name: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(files.truth.glob(f"{name}-*.parquet"))])


def _bought(lines: pl.DataFrame) -> pl.DataFrame:
    """One row per order of a known customer, in order of time."""
    paid = lines.filter((pl.col("status") == "paid") & pl.col("customer_id").is_not_null())
    orders = paid.group_by("customer_id", "order_id").agg(
        pl.col("ordered_at").first(), pl.len().alias("lines"), pl.col("discount", "net_amount").sum()
    )
    return orders.sort("customer_id", "ordered_at", "order_id")


def test_the_same_plan_gives_the_same_bytes_even_in_place_of_an_earlier_shop(
    small: ShopFiles, tmp_path: Path
):
    write_shop(tmp_path, ShopPlan(customers=50, seed=9, end=date(2023, 6, 30)))
    write_shop(tmp_path, SMALL)
    assert _digests(tmp_path) == _digests(small.raw.parent)


def test_another_seed_gives_another_shop(small: ShopFiles, tmp_path: Path):
    other = write_shop(tmp_path, ShopPlan(400, 4, SMALL.start, SMALL.end, block=150, shard=300))
    ours, theirs = _digests(small.raw), _digests(other.raw)
    changed = {name for name in ours if ours[name] != theirs.get(name)}
    assert changed >= {"customers.csv", "products.csv", "contacts.csv", "orders-2024-01.csv", "feedback.csv"}


def test_what_is_already_in_the_folder_stays(tmp_path: Path):
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "kept").write_text("ours")
    write_shop(tmp_path, ShopPlan(customers=5, end=date(2023, 6, 30)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "truth", "workspace"]
    assert (tmp_path / "workspace" / "kept").read_text() == "ours"


def test_a_shop_that_breaks_in_the_making_leaves_the_earlier_one(tmp_path: Path):
    plan = ShopPlan(customers=60, end=date(2023, 6, 30), block=20)
    write_shop(tmp_path, plan)
    before = _digests(tmp_path)

    def interrupt(done: int, _total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shop(tmp_path, ShopPlan(customers=60, seed=8, end=date(2023, 6, 30), block=20), interrupt)
    assert _digests(tmp_path) == before


def test_people_are_made_block_by_block(tmp_path: Path):
    done: list[tuple[int, int]] = []
    plan = ShopPlan(customers=70, end=date(2023, 6, 30), block=20, shard=40)
    files = write_shop(tmp_path, plan, lambda *progress: done.append(progress))
    assert done == [(20, 70), (40, 70), (60, 70), (70, 70)]
    assert [path.name for path in files.orders[:2]] == ["orders-2023-01.csv", "orders-2023-01-2.csv"]
    customers = pl.read_csv(files.raw / "customers.csv", infer_schema=False, encoding="utf8-lossy")
    assert customers["email"].str.to_lowercase().n_unique() == 70


def test_more_people_later_change_nothing_about_the_first_blocks():
    few, many = ShopPlan(customers=400, block=200), ShopPlan(customers=1_000, block=200)
    assert draw_people(few, 1).equals(draw_people(many, 1))


def test_the_clean_shop_is_the_dirty_one_with_its_broken_rows_repaired(small: ShopFiles, tmp_path: Path):
    plan = ShopPlan(400, 3, SMALL.start, SMALL.end, dirty=False, block=150, shard=300)
    repaired = write_shop(tmp_path, plan)
    assert repaired.dirty_rows == 0
    broken = {(file, line) for file, line, _ in _truth(small, "dirty-rows").iter_rows()}
    differing = set()
    for path in sorted(small.raw.iterdir()):
        ours, theirs = (one.read_bytes().split(b"\n") for one in (path, repaired.raw / path.name))
        pairs = enumerate(zip(ours, theirs, strict=True), start=1)
        differing |= {(path.name, number) for number, (a, b) in pairs if a != b}
    assert differing == broken
    assert len(broken) == small.dirty_rows


def test_broken_rows_are_few_and_of_every_kind(small: ShopFiles):
    dirty = _truth(small, "dirty-rows")
    rows = sum(path.read_bytes().count(b"\n") - 1 for path in small.raw.iterdir())
    assert 0 < dirty.height < 0.01 * rows
    assert set(dirty["fault"]) == {str(fault) for fault in Fault}


@given(rows=st.lists(st.integers(0, 999), max_size=30), share=st.floats(0, 1), seed=st.integers(0, 2**16))
@settings(max_examples=50, deadline=None)
def test_soiling_breaks_exactly_the_rows_it_names(rows: list[int], share: float, seed: int):
    before = [b"C%d,2024-01-01,%d,Tea,end" % (row, row) for row in rows]
    after = list(before)
    spots = Spots(times=(1,), numbers=(2,), required=(0, 2), texts=(3,))
    broken = soil(np.random.default_rng(seed), after, spots, share)
    changed = [index for index, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert changed == [index for index, _ in broken]


def test_totals_agree_between_files(clean: ShopFiles, lines: pl.DataFrame):
    bought = lines.filter(pl.col("status") == "paid")
    assert lines.height == clean.lines
    assert bought["order_id"].n_unique() == clean.purchases
    assert lines.select("order_id", "line_id").is_duplicated().sum() == 0
    known = set(_read(clean, "customers")["customer_id"])
    assert set(lines["customer_id"].drop_nulls()) <= known
    for table in ("contacts", "feedback", "points", "suppressions", "identities"):
        assert set(_read(clean, table)["customer_id"]) <= known, table
    assert set(lines["sku"]) <= set(_read(clean, "products")["sku"])


def test_a_bought_line_costs_its_price_less_the_discount(lines: pl.DataFrame):
    bought = lines.filter(pl.col("status") == "paid")
    cents = (pl.col(name) * 100 for name in ("unit_price", "discount", "net_amount"))
    price, discount, net = bought.select(column.round().cast(pl.Int64) for column in cents).get_columns()
    assert (price * bought["quantity"] - discount == net).all()
    assert (net >= 0).all()


def test_nothing_comes_back_twice_or_before_it_was_bought(lines: pl.DataFrame):
    back = lines.filter(pl.col("status") != "paid")
    assert (back["quantity"] < 0).all()
    assert (back["net_amount"] <= 0).all()
    named = back.filter(pl.col("returned_order_id").is_not_null())
    bought = lines.filter(pl.col("status") == "paid")
    found = named.join(
        bought, left_on=["returned_order_id", "line_id"], right_on=["order_id", "line_id"], suffix="_bought"
    )
    assert found.height == named.height
    assert (found["ordered_at"] > found["ordered_at_bought"]).all()
    assert (-found["quantity"] <= found["quantity_bought"]).all()
    assert (-found["net_amount"] <= found["net_amount_bought"]).all()
    assert 0.85 < named.height / back.height < 1


def test_a_cancelled_order_comes_back_whole_within_days(lines: pl.DataFrame):
    cancelled = lines.filter(pl.col("status") == "cancelled")
    orders = cancelled.group_by(pl.col("returned_order_id").alias("order_id")).agg(
        back=(pl.col("net_amount") * 100).round().sum(), at=pl.col("ordered_at").first()
    )
    bought = lines.group_by("order_id").agg(
        paid=(pl.col("net_amount") * 100).round().sum(), on=pl.col("ordered_at").first()
    )
    found = orders.join(bought, on="order_id")
    assert found.height == orders.height > 0
    assert (found["back"] + found["paid"] == 0).all()
    assert (found["at"] - found["on"]).max().total_seconds() <= 3 * 86_400


def test_orders_lie_in_the_file_of_their_month_in_order_of_time(clean: ShopFiles):
    for path in clean.orders:
        orders = pl.read_csv(path, try_parse_dates=True)
        assert set(orders["ordered_at"].dt.strftime("orders-%Y-%m.csv")) == {path.name}
        assert orders.select("ordered_at", "order_id", "line_id").equals(
            orders.select("ordered_at", "order_id", "line_id").sort("ordered_at", "order_id", "line_id")
        )


def test_the_shop_looks_like_a_shop(clean: ShopFiles, lines: pl.DataFrame):
    with_cost = lines.drop_nulls("cost")
    orders = _bought(lines)
    per_customer = orders.group_by("customer_id").len()["len"]
    days = orders.select("customer_id", pl.col("ordered_at").dt.date().alias("day")).unique()
    winter = (days["day"].dt.month() >= 11).mean()
    assert 15 < clean.lines / CLEAN.customers < 30
    assert 0.25 < (per_customer == 1).mean() < 0.35
    assert 0.02 < lines["customer_id"].is_null().mean() < 0.06
    assert 0.03 < (lines["status"] != "paid").mean() < 0.10
    assert 0.30 < 1 - with_cost["cost"].sum() / with_cost["net_amount"].sum() < 0.40
    assert 0 < ((with_cost["status"] == "paid") & (with_cost["net_amount"] < with_cost["cost"])).mean() < 0.05
    assert 4 / 30 < winter < 2 * 4 / 30
    assert orders["ordered_at"].dt.date().max() == CLEAN.end


def test_recency_tells_who_returns_but_does_not_settle_it(lines: pl.DataFrame):
    as_of, until = date(2025, 3, 2), date(2025, 5, 1)
    orders = _bought(lines).with_columns(day=pl.col("ordered_at").dt.date())
    later = orders.filter((pl.col("day") > as_of) & (pl.col("day") <= until))["customer_id"].unique()
    known = orders.filter(pl.col("day") <= as_of).group_by("customer_id").agg(pl.col("day").max())
    known = known.with_columns(
        rank=pl.col("day").rank(), returned=pl.col("customer_id").is_in(later.implode())
    )
    back = known.filter("returned")
    auroc = (back["rank"].mean() - (back.height + 1) / 2) / (known.height - back.height)
    assert 0.2 < back.height / known.height < 0.4
    assert 0.70 < auroc < 0.87


def test_acquisition_channels_differ_in_how_long_people_stay(clean: ShopFiles, lines: pl.DataFrame):
    accounts = _read(clean, "customers").select("customer_id", "acquisition_channel")
    orders = _bought(lines).group_by("customer_id").len().join(accounts, on="customer_id")
    once = orders.group_by("acquisition_channel").agg((pl.col("len") == 1).mean())
    share = dict(once.iter_rows())
    assert share["referral"] < share["search"] < share["coupon"]


@pytest.mark.parametrize(
    ("sign", "column", "direction"),
    [("price_sensitivity", "discounted", 1), ("basket_shrinking", "lines", -1), ("rhythm_broken", "gap", 1)],
)
def test_who_leaves_for_a_visible_cause_shows_it_in_the_last_orders(
    clean: ShopFiles, lines: pl.DataFrame, sign: str, column: str, direction: int
):
    left = _truth(clean, "people").filter(pl.col("visible_sign") == sign).select("customer_id")
    orders = _bought(lines).join(left, on="customer_id", how="semi", maintain_order="left")
    orders = orders.with_columns(
        discounted=pl.col("discount") / (pl.col("discount") + pl.col("net_amount")),
        gap=pl.col("ordered_at").diff().over("customer_id").dt.total_days(),
        last=pl.int_range(pl.len()).over("customer_id") >= pl.len().over("customer_id") - 2,
    )
    late, early = (orders.filter(pl.col("last") == last)[column].mean() for last in (True, False))
    assert direction * np.log(late / early) > np.log(1.3)


def test_who_left_over_a_bad_experience_complained_last(clean: ShopFiles):
    angry = _truth(clean, "people").filter(
        (pl.col("visible_sign") == "bad_experience") & pl.col("second_id").is_null()
    )
    complaints = _read(clean, "feedback").filter(pl.col("kind") == "complaint")
    last = complaints.group_by("customer_id").agg(pl.col("occurred_at").max().dt.date())
    found = angry.join(last, on="customer_id", how="left").filter(pl.col("left_on") < date(2025, 6, 20))
    wait = (found["occurred_at"] - found["left_on"]).dt.total_days()
    assert wait.null_count() == 0
    assert wait.is_between(0, 7).all()


def test_contacts_were_drawn_at_random_and_move_people_as_the_truth_says(clean: ShopFiles):
    contacts, people = _read(clean, "contacts"), _truth(clean, "people")
    assert set(contacts["arm"]) == {"treatment", "control"}
    expected = contacts.filter(pl.col("arm") == "treatment").group_by("assignment_probability").len()
    assert set(expected["assignment_probability"]) == {0.5, 0.8}
    controls = contacts.filter(pl.col("arm") == "control")
    assert (controls["contact_cost"] == 0).all()
    assert controls["offer_id"].null_count() == controls.height
    effect = people["effect_message"]
    assert 0.2 < effect.mean() < 0.3
    assert 0.05 < (effect < 0).mean() < 0.15


def test_nobody_is_contacted_without_consent(clean: ShopFiles):
    accounts = _read(clean, "customers").filter(
        (pl.col("consent_email") == "yes") & (pl.col("is_staff") == "no")
    )
    assert set(_read(clean, "contacts")["customer_id"]) <= set(accounts["customer_id"])


def test_two_accounts_of_one_person_share_an_address(clean: ShopFiles):
    address = _read(clean, "customers").select("customer_id", pl.col("email").str.to_lowercase())
    pairs = _read(clean, "identities").join(address, on="customer_id").group_by("person_id")
    found = pairs.agg(pl.len(), pl.col("email").n_unique())
    assert found.height > 0
    assert set(found.select("len", "email").iter_rows()) == {(2, 1)}


def test_the_truth_stays_apart(clean: ShopFiles):
    names = {path.name for path in clean.raw.iterdir() if not path.name.startswith("orders-")}
    tables = ("contacts", "customers", "feedback", "identities", "points", "products", "suppressions")
    assert names == {f"{table}.csv" for table in tables}
    told = set(_truth(clean, "people").columns) - {"customer_id", "acquisition_channel"}
    for path in clean.raw.iterdir():
        with path.open(encoding="utf-8") as file:
            assert not told & set(next(csv.reader(file))), path.name
    assert "truth" not in json.dumps(load(CONFIGS / "demo.yaml").resolved())


def test_the_config_reads_the_export_and_nothing_else(clean: ShopFiles):
    config = load(CONFIGS / "demo.yaml")
    files = {path.name for path in clean.raw.iterdir()}
    for table, source in config.sources.items():
        folder, _, pattern = str(source.path).rpartition("/")
        assert folder == "demo/raw", table
        found = list(clean.raw.glob(pattern))
        assert found, table
        files -= {path.name for path in found}
        with found[0].open(encoding="utf-8") as file:
            header = next(csv.reader(file))
        plain = {column for column in source.columns.values() if column.isidentifier()}
        assert plain <= set(header), table
    assert not files
    # What answers a cause of leaving was never tried before.
    tried = {offer.id for offer in config.offers if not offer.causes}
    assert tried == set(_read(clean, "contacts")["offer_id"].drop_nulls())


def test_the_readers_set_aside_every_broken_row_and_no_other(small: ShopFiles):
    config = load(CONFIGS / "demo.yaml")
    found = []
    for name, table in TABLES.items():
        if name not in config.sources:
            continue
        path = str(config.sources[name].path).replace("demo/raw", str(small.raw))
        source = config.sources[name].model_copy(update={"path": path})
        for delivery in find_deliveries(table, source):
            for raw in read_delivery(delivery, source):
                mapped = map_chunk(raw, table, source, config.timezone).drop_nulls("fault")
                found += [(delivery.path.name, line) for line in mapped["source_line"]]
    broken = [(file, line) for file, line, _ in _truth(small, "dirty-rows").iter_rows()]
    assert sorted(found) == sorted(broken)


def test_a_plan_names_everything_that_is_wrong_with_it():
    with pytest.raises(ConfigError) as refusal:
        ShopPlan(customers=0, seed=-1, end=date(2023, 1, 31), block=0, timezone="Mars")
    message = str(refusal.value)
    for part in ("customers is 0", "seed is -1", "31 days", "block is 0", "'Mars'"):
        assert part in message


def test_shopping_time_runs_forward_and_back_to_the_same_day():
    calendar = make_calendar(SMALL)
    day = np.linspace(0, SMALL.days - 0.01, 997)
    for season in Season:
        of = np.full(len(day), int(season))
        clock = calendar.clock(of, day)
        assert (np.diff(clock) > 0).all()
        np.testing.assert_allclose(calendar.day(of, clock), day, atol=1e-6)


def test_each_draw_has_a_stream_of_its_own():
    first = {SMALL.stream(draw, block).integers(1 << 60) for draw in Draw for block in range(5)}
    assert len(first) == len(Draw) * 5


def test_benchmark_lines_are_exactly_as_many_as_asked_for(tmp_path: Path):
    paths = write_lines(tmp_path, 25_001, seed=5, part_rows=10_000)
    parts = [pl.read_parquet(path) for path in paths]
    assert [part.height for part in parts] == [10_000, 10_000, 5_001]
    assert all(part["ordered_at"].is_sorted() for part in parts)
    everything = pl.concat(parts)
    assert everything["customer_id"].n_unique() == sum(part["customer_id"].n_unique() for part in parts)
    assert 12 < everything.height / everything["customer_id"].n_unique() < 16
    assert everything.schema == pl.Schema(
        {
            "customer_id": pl.String(),
            "order_id": pl.String(),
            "ordered_at": pl.Datetime("us", "UTC"),
            "product_id": pl.String(),
            "category": pl.String(),
            "quantity": pl.Float64(),
            "net_amount": pl.Float64(),
            "discount_amount": pl.Float64(),
            "cost_amount": pl.Float64(),
            "channel": pl.String(),
        }
    )


def test_benchmark_lines_are_the_same_bytes_and_replace_earlier_ones(tmp_path: Path):
    write_lines(tmp_path / "a", 3_000, seed=5, part_rows=1_000)
    write_lines(tmp_path / "a", 1_500, seed=5, part_rows=1_000)
    write_lines(tmp_path / "b", 1_500, seed=5, part_rows=1_000)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    write_lines(tmp_path / "b", 1_500, seed=6, part_rows=1_000)
    assert _digests(tmp_path / "a") != _digests(tmp_path / "b")


def test_benchmark_lines_refuse_a_size_that_makes_no_sense(tmp_path: Path):
    with pytest.raises(ConfigError, match="Cannot write 0 lines"):
        write_lines(tmp_path, 0, seed=1)
