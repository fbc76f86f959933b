"""What a night learns of its own lists: when, from what, and that it is kept whole and used."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from decision_world import decided, halves, people, rules
from uplift_world import contacts, strong
from workspace_world import after, deliver, order, shop, write

import flows.appraising
from features.errors import WinbackError
from flows import effects, effects_in_mlflow, inputs
from flows.effects import Believed, believe, standing_now
from flows.settings import Settings
from models import tracking
from models.assignment import list_id
from models.effects import Evidence, Shift
from models.eligibility import Reason
from models.options import EffectOptions, OfferOptions, UpliftOptions
from models.tiers import Tier
from models.tracking.store import connected
from models.uplift import fit_pooled, learn

DAY = date(2024, 5, 31)
OVER = date(2024, 7, 1)  # acknowledged on June 1, thirty days after that
ENOUGH = 80


def row(name: str, arm: str, **more: Any) -> dict[str, Any]:
    told = {"stage": "lapsed", "value_tier": "gold", "churn_probability": 0.8}
    return {"customer_id": name, "arm": arm, **told, **more}


def list_of(
    settings: Settings, day: date, mark: str, *, bought: tuple[int, int] = (32, 20), **more: Any
) -> None:
    """A list of 80 contacted and 80 held out; so many of each buy within its window."""
    names = [(arm, f"{mark}{arm[0]}{place}") for arm in ("treatment", "control") for place in range(ENOUGH)]
    write(settings, day, [row(name, arm, **more) for arm, name in names])
    features(settings, day, [name for _, name in names])
    came = [name for arm, name in names if int(name[2:]) < bought[arm == "control"]]
    deliver(
        settings,
        "transactions",
        [order(name, after(day, 9), 2000, f"{name}o") for name in came],
        name=f"{mark}.csv",
    )


def features(settings: Settings, day: date, names: Sequence[str]) -> Path:
    folder = inputs.workspace(settings).features(day)
    folder.mkdir(parents=True)
    frame = pl.DataFrame(
        {"customer_id": names, "as_of": [day] * len(names), "orders": np.arange(len(names)) % 7}
    )
    frame[: len(names) // 2].write_parquet(folder / "part-0000.parquet")
    frame[len(names) // 2 :].write_parquet(folder / "part-0001.parquet")
    return folder


def made(folder: Path, *overrides: str) -> Settings:
    """A shop with one list, whose orders are all there."""
    folder.mkdir(exist_ok=True)
    settings = shop(folder, *overrides)
    list_of(settings, DAY, "a")
    deliver(settings, "transactions", [order("someone", date(2024, 9, 1), 100, "last")], name="last.csv")
    return settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return made(tmp_path)


def night(settings: Settings, day: date = OVER) -> Believed:
    tonight = inputs.workspace(settings).features(day)
    if not tonight.is_dir():
        features(settings, day, ["someone"])
    return believe.fn(settings, settings.as_of(day.isoformat()), tonight)


def stored(settings: Settings) -> dict[str, bytes]:
    root = settings.root / "effects"
    return {
        str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()
    }


def test_as_long_as_a_window_is_open_effects_are_assumed(settings: Settings):
    found = night(settings, date(2024, 6, 30))
    assert found == Believed()
    assert found.sentences == ("The effect of a contact is assumed, not measured yet (evidence C).",)
    assert list(stored(settings)) == ["contacts/list-2024-05-31.parquet"]


def test_a_window_that_is_over_turns_assumed_into_pooled_and_it_is_said(settings: Settings):
    found = night(settings)
    assert found.evidence == {"message": "B", "gift": "C"}
    assert found.sentences[0] == (
        "Offer message: from assumed (C) to pooled (B) since the last night, by 80 people contacted and "
        "80 held out."
    )
    assert found.sentences[1].startswith(
        "Offer message: the effect is pooled from own contacts, 80 contacted and 80 held out (evidence B): "
        "on the mean +"
    )
    assert found.sentences[1].endswith(
        "To be learned per person (A) it needs about 420 contacted and 420 held out more."
    )
    assert found.sentences[2].startswith("Offer gift: the effect is assumed, not measured (evidence C).")
    message = found.standings["message"]
    assert message.points.low < message.points.value < message.points.high
    assert found.effects is not None
    shift, evidence = found.effects.shift(
        people({"customer_id": "x", "value_tier": "gold"}), settings.offers[0]
    )
    assert evidence is Evidence.POOLED
    assert shift.mu[0] > 0.2  # 32 of 80 against 20 of 80


def test_the_next_night_says_nothing_of_a_change_that_the_last_one_told(settings: Settings):
    first = night(settings)
    write(settings, OVER, [row("z", "treatment")], effects=first.digest, evidence=first.evidence)
    features(settings, after(OVER, 1), ["someone"])
    assert night(settings, after(OVER, 1)).notes == ()


def test_the_same_contacts_give_the_same_bytes_in_another_workspace(tmp_path: Path):
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    assert night(one).digest == night(other).digest
    assert stored(one) == stored(other)


def test_what_is_stored_is_read_and_not_learned_again(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    first = night(settings)
    monkeypatch.setattr(effects, "learn", None)
    again = night(settings, after(OVER, 1))
    assert (again.digest, again.standings) == (first.digest, first.standings)
    assert again.effects.files() == first.effects.files()


def test_a_night_killed_while_it_learns_leaves_nothing_half(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    write_text = Path.write_text

    def die(path: Path, *words: Any, **more: Any) -> int:
        if path.name == effects.ABOUT:  # the last of its files
            raise Killed
        return write_text(path, *words, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", die)
        with pytest.raises(Killed):
            night(settings)
    assert not any(name.startswith("learned") for name in stored(settings))
    assert night(settings).evidence["message"] == "B"


def test_an_earlier_day_sees_nothing_of_later_windows(settings: Settings):
    before = night(settings).digest
    list_of(settings, after(DAY, 7), "b", bought=(10, 30))
    assert night(settings).digest == before
    later = night(settings, after(OVER, 7))
    assert later.digest != before
    assert later.standings["message"].contacted == 160
    assert later.standings["message"].shift.value < night(settings).standings["message"].shift.value


def test_orders_that_have_not_arrived_teach_nothing(tmp_path: Path):
    settings = shop(tmp_path)
    list_of(settings, DAY, "a")
    assert night(settings) == Believed()


def test_a_list_that_held_nobody_out_teaches_nothing(tmp_path: Path):
    settings = shop(tmp_path)
    list_of(settings, DAY, "a", assignment_probability=1.0)
    deliver(settings, "transactions", [order("someone", date(2024, 9, 1), 100, "last")], name="last.csv")
    assert night(settings) == Believed()


@pytest.mark.parametrize("change", ["seed=8", "effect.assumed.mu=0.1", "uplift.folds=5"])
def test_another_seed_or_option_gives_another_digest(settings: Settings, change: str, tmp_path: Path):
    assert night(settings).digest != night(shop(tmp_path, change)).digest


def test_features_are_kept_before_they_are_cleaned_away(settings: Settings):
    night(settings, after(DAY, 1))
    kept = pl.read_parquet(inputs.workspace(settings).drawn("list-2024-05-31"))
    assert sorted(kept.columns) == sorted(
        ["enrolment_id", "customer_id", "orders", "days_since_last_purchase", "usual_gap_days"]
    )
    assert kept["orders"].null_count() == 0
    expected = night(settings).digest
    for file in inputs.workspace(settings).features(DAY).iterdir():
        file.unlink()
    inputs.workspace(settings).features(DAY).rmdir()
    found = night(settings)
    assert (found.digest, len(found.notes)) == (expected, 1)


def test_where_features_are_gone_too_early_it_is_said_and_effects_are_pooled_all_the_same(settings: Settings):
    for file in inputs.workspace(settings).features(DAY).iterdir():
        file.unlink()
    inputs.workspace(settings).features(DAY).rmdir()
    found = night(settings)
    assert found.evidence["message"] == "B"
    assert found.notes[-1].startswith(
        "Of 1 list the features of the night were gone before they could be kept"
    )


def test_a_damaged_file_is_named(settings: Settings):
    found = night(settings)
    kept = inputs.workspace(settings).drawn("list-2024-05-31")
    whole = kept.read_bytes()
    kept.write_text("junk")
    with pytest.raises(WinbackError, match=r"list-2024-05-31.parquet is damaged. Delete it"):
        night(settings)
    kept.write_bytes(whole)
    (inputs.workspace(settings).learned(str(found.digest)) / effects.ABOUT).write_text("{")
    with pytest.raises(WinbackError, match="is damaged"):
        night(settings)


def test_two_ids_of_a_person_are_one_customer_of_the_contacts(settings: Settings):
    pair = [{"customer_id": name, "person_id": "p"} for name in ("at0", "ac0")]
    since = {"since": None}
    deliver(settings, "identities", [{**one, **since} for one in pair], name="ids.csv")
    as_of = settings.as_of(OVER.isoformat())
    lists = effects.trials(settings, as_of)
    rows = effects.looked_back(lists, effects.Accounts.read(settings, as_of, lists))
    assert rows["customer_id"].n_unique() == 159


def test_status_says_how_each_offer_stands(settings: Settings):
    assert standing_now(settings) == ("The effect of a contact is assumed, not measured yet (evidence C).",)
    found = night(settings)
    write(settings, OVER, [row("z", "treatment")], effects=found.digest, evidence=found.evidence)
    assert standing_now(settings) == tuple(one.sentence for one in found.standings.values())


def test_a_list_is_named_by_its_effects_where_there_are_any():
    made_of = (DAY, "c", "1", "v")
    assert list_id(*made_of) == list_id(*made_of, None)
    assert len({list_id(*made_of), list_id(*made_of, "a"), list_id(*made_of, "b")}) == 3


def test_mlflow_is_told_once_what_contacts_taught(settings: Settings):
    with connected(inputs.store(settings)) as client:
        experiment = client.create_experiment("churn-90d")
    found, as_of = night(settings), settings.as_of(OVER.isoformat())
    for _ in range(2):
        assert effects_in_mlflow.record.fn(settings, as_of) == ()
    with connected(inputs.store(settings)) as client:
        (run,) = client.search_runs([experiment])
        points = client.get_metric_history(run.info.run_id, "effect.message.shift")
    assert run.data.tags[tracking.KIND] == tracking.EFFECTS
    assert run.data.tags["effect.message.evidence"] == "B"
    assert run.data.tags["effects.digest"] == found.digest
    assert run.data.metrics["effect.message.held_out"] == 80
    assert [one.value for one in points] == [found.standings["message"].shift.value]


def test_mlflow_that_does_not_answer_is_told_by_the_next_night(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    def silent(*_: Any) -> bool:
        raise WinbackError("It does not answer.")

    night(settings)
    monkeypatch.setattr(effects_in_mlflow, "record_effects", silent)
    (said,) = effects_in_mlflow.record.fn(settings, settings.as_of(OVER.isoformat()))
    assert said.startswith("What contacts taught is not in MLflow yet")
    assert not any("recorded" in name for name in stored(settings))


def taught(rows: pl.DataFrame, **options: Any) -> Any:
    """What contacts of the one offer teach."""
    return learn(rows, [OfferOptions(id="message")], EffectOptions(), UpliftOptions(**options), seed=7)


def reasons(effects: Any, *rows: Mapping[str, Any]) -> dict[str, str | None]:
    """Customer: why they are not on a list that these effects rank; None for those on it."""
    made = decided(people(*rows), rules(effects=effects))
    excluded = dict(made.excluded.select("customer_id", "reason").iter_rows())
    return {str(one["customer_id"]): excluded.get(str(one["customer_id"])) for one in rows}


def test_people_whom_a_pooled_effect_credibly_harms_are_left_alone():
    def cell(stage: str, tier: str, chances: tuple[float, float]) -> pl.DataFrame:
        rng = np.random.default_rng(3)
        treated = rng.random(6000) < 0.5
        return pl.DataFrame(
            {
                "customer_id": [f"{stage}{tier}{place}" for place in range(6000)],
                "treated": treated,
                "assignment_probability": [0.5] * 6000,
                "returned": rng.random(6000) < np.where(treated, *chances),
                "offer_id": ["message"] * 6000,
                "stage": [stage] * 6000,
                "value_tier": [tier] * 6000,
                "p0": [0.2] * 6000,
            }
        )

    chances = {"lapsed": (0.1, 0.2), "at_risk": (0.3, 0.2)}
    rows = pl.concat([cell(stage, tier, chances[stage]) for stage in chances for tier in map(str, Tier)])
    found = taught(rows, least_in_arm=50_000)
    assert found.evidence("message") is Evidence.POOLED
    one, other = {"customer_id": "x", "stage": "lapsed"}, {"customer_id": "y", "stage": "at_risk"}
    assert reasons(found, one, other) == {"x": Reason.HARMFUL, "y": None}


def test_a_night_reads_what_the_effects_read_and_keeps_no_more_of_it(tmp_path: Path):
    @dataclass(frozen=True)
    class ByTaste:
        reads: tuple[str, ...] = ("p0", "stage", "taste")

        def shift(self, told: pl.DataFrame, offer: OfferOptions) -> tuple[Shift, Evidence]:
            assert offer.id == "message"
            return Shift(told["taste"].to_numpy(), np.full(told.height, 0.1)), Evidence.MEASURED

    everyone = people({"customer_id": "x", "taste": 0.5}, {"customer_id": "y", "taste": -0.5})
    predictions, facts = halves(everyone)
    for name, frame in {"predictions": predictions, "features": facts}.items():
        (tmp_path / name).mkdir()
        frame.write_parquet(tmp_path / name / "part-0000.parquet")
    settings, rule = shop(tmp_path), rules(effects=ByTaste())
    made_of = tmp_path / "appraised", tmp_path / "features", tmp_path / "predictions"
    found = flows.appraising.appraise(settings, *made_of, rule, "m")
    made = found.people.lazy().collect().sort("customer_id")
    assert made["evidence"].to_list() == ["A", "A"]
    assert made["harmful"].to_list() == [False, True]
    assert "taste" not in made.columns
    assert {"p0", "stage"} <= set(made.columns)


@pytest.mark.slow
def test_people_whom_a_learned_effect_credibly_harms_are_left_alone_and_rows_say_a():
    rows = contacts(10_000, strong, seed=11).drop("_effect", "window_margin")
    found = taught(rows, folds=3, least_in_arm=200, least_returns=20)
    assert found.evidence("message") is Evidence.MEASURED
    assert type(found).from_files(found.files()).qini == found.qini
    usual = {"recency": 137.0, "orders": 2, "noise": 0.0, "p0": 0.04}
    harmed, liked = {"customer_id": "x", "taste": -1.6}, {"customer_id": "y", "taste": 1.5}
    assert reasons(found, {**usual, **harmed}, {**usual, **liked}) == {"x": Reason.HARMFUL, "y": None}
    made = decided(people({**usual, **liked}), rules(effects=found))
    assert made.winback["evidence"].to_list() == ["A"]


@pytest.mark.slow
def test_a_night_learns_who_answers_from_lists_whose_effect_is_strong(tmp_path: Path):
    settings = shop(tmp_path, "uplift.folds=3", "uplift.least_in_arm=200")
    reads = settings.uplift.model_copy(update={"features": ("taste", "recency")})
    settings = settings.model_copy(update={"uplift": reads})
    world = contacts(8000, strong, seed=11)
    arms = ("control", "treatment")
    rows = [
        row(one["customer_id"], arms[one["treated"]], churn_probability=round(1 - one["p0"], 6))
        | {"stage": one["stage"], "value_tier": one["value_tier"]}
        for one in world.iter_rows(named=True)
    ]
    write(settings, DAY, rows)
    folder = inputs.workspace(settings).features(DAY)
    folder.mkdir(parents=True)
    world.select("customer_id", "taste", "recency", as_of=pl.lit(DAY)).write_parquet(
        folder / "part-0.parquet"
    )
    came = world.filter("returned")["customer_id"]
    deliver(settings, "transactions", [order(one, after(DAY, 9), 2000, f"{one}o") for one in came])
    deliver(settings, "transactions", [order("someone", date(2024, 9, 1), 100, "last")], name="last.csv")
    tonight = inputs.workspace(settings).features(OVER)
    tonight.mkdir(parents=True)
    world.select("customer_id", "taste", "recency", as_of=pl.lit(OVER)).write_parquet(
        tonight / "part-0.parquet"
    )
    found = night(settings)
    assert found.evidence["message"] == "A"
    assert "learned per person from own contacts" in found.standings["message"].sentence
    assert found.notes[0].startswith("Offer message: from assumed (C) to measured (A)")
    assert found.effects is not None
    assert found.effects.reads == ("p0", "recency", "taste")
    names = [file.name for file in inputs.workspace(settings).learned(str(found.digest)).iterdir()]
    assert {name.rsplit(".", 1)[1] for name in names} == {"json", "ubj"}
    about = json.loads((inputs.workspace(settings).learned(str(found.digest)) / effects.ABOUT).read_text())
    assert about["offers"][0]["qini"]["low"] > 0


def test_what_the_same_contacts_teach_is_told_apart_by_a_version():
    """Another figure here needs another `_VERSION`: else a digest, and a list_id, stand for two lessons."""
    rows = [
        {
            "stratum": f"s{place // 4:02d}",
            "treated": place % 3 > 0,
            "returned": place % 5 < 1 + (place % 3 > 1),
        }
        for place in range(420)
    ]
    fixed = {"offer_id": "message", "stage": "lapsed", "value_tier": "gold", "list_id": "one"}
    taught = (
        pl.DataFrame(rows)
        .with_columns(pl.lit(value).alias(name) for name, value in fixed.items())
        .with_columns(
            customer_id=pl.format("c{}", pl.int_range(pl.len())),
            assignment_probability=pl.when("treated").then(2 / 3).otherwise(1 / 3),
            window_margin=pl.col("returned").cast(pl.Int64) * 1000,
        )
    )
    pooled = fit_pooled(taught, [OfferOptions(id="message")], EffectOptions())
    taught_by = {3: 0.32327}
    assert pooled.offers["message"].mean == pytest.approx(taught_by[effects._VERSION], abs=1e-4)
