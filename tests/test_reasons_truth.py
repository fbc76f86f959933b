"""The reasons against the truth of the demo shop: does a person who left for a visible cause get it told?

The truth says of everybody who left what the data shows of their cause (`visible_sign`). The pipeline reads
nothing of it.
"""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from flows.demo import overrides_for
from flows.demo_shop import ShopPlan, write_shop
from models.bundle import Bundle, load_bundle
from models.reasons import Group, explained_return, facts, told
from models.returning import ReturnModel

ROOT = Path(__file__).resolve().parent.parent
PLAN = ShopPlan(customers=4000, dirty=False)
SIGNS = {
    "price_sensitivity": Group.PRICE,
    "bad_experience": Group.EXPERIENCE,
    "basket_shrinking": Group.BASKET,
    "rhythm_broken": Group.RHYTHM,
    "never_settled": Group.SETTLED,
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a night on a small demo shop, as the demo's own config has it."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder, PLAN)
    command = [sys.executable, "-m", "flows", "nightly", "-c", "configs/demo.yaml"]
    command += ["--as-of", PLAN.end.isoformat()]
    command += [word for item in overrides_for(folder) for word in ("--set", item)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def left_for_a_visible_cause(folder: Path) -> pl.DataFrame:
    """Everybody who had left by the last day and stayed away, with their features and the cause's group."""
    people = pl.concat(pl.read_parquet(file) for file in sorted((folder / "truth").glob("people-*.parquet")))
    gone = people.filter(pl.col("left_on").is_not_null(), pl.col("visible_sign").is_not_null())
    sign = pl.col("visible_sign").replace_strict({k: str(v) for k, v in SIGNS.items()})
    features = pl.read_parquet(folder / f"workspace/features/as_of={PLAN.end}/*.parquet")
    return features.join(gone.select("customer_id", cause=sign), on="customer_id").sort("customer_id")


def model(folder: Path) -> Bundle:
    """The only model there is; some of its copies are for other readers."""
    copies = (folder / "workspace" / "mlartifacts").rglob("bundle.json")
    return load_bundle(next(copies).parent)


def first_two(people: pl.DataFrame, returning: ReturnModel, bundle: Bundle) -> pl.DataFrame:
    """The groups of the first two reasons of each, facts left out."""
    features = people.drop("cause")
    moved = explained_return(returning, bundle.contract, features).drop("customer_id")
    said = facts(features).hstack(moved)
    groups = told(said, months=12).filter(pl.col("place") < 2, pl.col("why").is_not_null())
    return people.select("cause").with_row_index("row").join(groups, on="row", how="left")


def confusion(found: pl.DataFrame) -> pl.DataFrame:
    """Per true cause: people, and the share of them whose first two reasons name each group."""
    people = found.group_by("cause").agg(pl.col("row").n_unique().alias("people"))
    named = found.drop_nulls("topic").group_by("cause", "topic").agg(pl.col("row").n_unique())
    wide = named.pivot("topic", index="cause", values="row", sort_columns=True)
    shares = people.join(wide, on="cause", how="left").fill_null(0).sort("cause")
    return shares.with_columns((pl.exclude("cause", "people") / pl.col("people")).round(2))


def test_the_true_cause_is_among_the_first_two_reasons(night: Path) -> None:
    people, bundle = left_for_a_visible_cause(night), model(night)
    found = first_two(people, bundle.returning, bundle)
    right = found.filter(pl.col("topic") == pl.col("cause"))["row"].n_unique() / people.height
    with pl.Config(tbl_cols=-1, tbl_width_chars=200):
        print(f"\n{right:.3f} of {people.height}\n{confusion(found)}")  # noqa: T201 - the figure is the point
    assert people.height > 1500
    assert right >= 0.8


def test_the_list_of_the_night_has_the_reasons(night: Path) -> None:
    folder = night / f"workspace/lists/as_of={PLAN.end}"
    rows = [json.loads(line) for line in (folder / "winback.jsonl").read_text().splitlines()]
    assert all(row["reason_1"] and row["reason_2"] and row["reason_3"] for row in rows)
    said = " ".join(str(row["reason_1"]) + str(row["reason_2"]) for row in rows)
    for words in ("Complained", "with a discount", "The last order was", "silent for"):
        assert words in said
