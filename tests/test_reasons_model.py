"""What the model says of a person: contributions in groups, and what they may be read as."""

import itertools
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from training_world import feature_frame, training_frame

from features.catalogue import CATALOGUE, Feature
from features.errors import WinbackError
from features.table import FACTS, KEYS
from models.boosting import Recipe, Sample, contributions, grow, predict
from models.by_standing import Calibration
from models.log_odds import logit
from models.matrix import FeatureContract, to_matrix
from models.options import XgbOptions
from models.plots_shap import mean_sizes, shap_dependence_png, shap_summary_png
from models.reasons import Group, attribution, explained, explained_return, group_of, why
from models.reasons.groups import FEATURES, _matches, window_days
from models.reasons.summary import SIZES, SUMMARY, shap_files
from models.returning import ReturnModel
from models.smooth import fit_smooth
from models.standing import is_gone

RECIPE = Recipe("binary:logistic", XgbOptions(rounds=20, threads=1), 7)


def columns_of(feature: Feature) -> list[str]:
    """Every column that a feature of the catalogue may be; a parameter without values is some number."""
    parameters = re.findall(r"{(\w+)}", feature.name)
    values = [feature.values.get(one, (90,)) for one in parameters]
    chosen = (dict(zip(parameters, some, strict=True)) for some in itertools.product(*values))
    return [feature.name.format(**some) for some in chosen]


LEARNED = [one for one in CATALOGUE if one.name not in (*KEYS, *FACTS)]
COLUMNS = [column for one in LEARNED for column in columns_of(one)]


@pytest.mark.parametrize("column", COLUMNS)
def test_every_feature_that_is_learned_from_belongs_to_one_group(column):
    assert group_of(column) in Group


def test_a_feature_without_a_group_is_refused():
    with pytest.raises(WinbackError, match=r"mood_of_the_day belongs to 0 groups .* models/reasons/groups"):
        group_of("mood_of_the_day")


def test_no_group_names_a_feature_that_is_not_there():
    names = [name for some in FEATURES.values() for name in some]
    assert [name for name in names if not any(_matches(name, column) for column in COLUMNS)] == []
    assert set(FEATURES) == set(Group)


def test_windows_that_count_purchases_are_known():
    found = {name: window_days(name) for name in COLUMNS if name in EXAMPLES}
    assert found == EXAMPLES


EXAMPLES = {
    "net_amount_90d": 90,
    "orders_trend_30d": 30,
    "margin_share_365d": 365,
    "discount_share_90d": 90,
    "return_lines_30d": None,
    "complaints_90d": None,
    "contacts_received_90d": None,
    "orders_first_90d": None,
    "p_no_purchase_90d": None,
    "tenure_days": None,
}


@pytest.fixture(scope="module")
def taught():
    rows = training_frame(400, 2)
    contract = FeatureContract.of(rows)
    return rows, contract, trees(rows, contract)


def trees(rows, contract):
    ones = np.ones(len(rows))
    label = rows["returned"].cast(pl.Float64).to_numpy()
    return grow(Sample(to_matrix(rows, contract), label, ones, np.zeros(len(rows), np.int32)), RECIPE, 20)


def test_contributions_add_up_to_the_prediction(taught):
    rows, contract, raw = taught
    added = contributions(raw, to_matrix(rows, contract))
    assert added.shape == (len(rows), len(contract.names) + 1)
    assert np.allclose(added.sum(axis=1), logit(predict(raw, to_matrix(rows, contract))), atol=1e-4)


def test_groups_add_up_to_what_moves_a_person_away(taught):
    rows, contract, raw = taught
    found = explained(raw, contract, rows)
    mean = contributions(raw, to_matrix(rows, contract))[:, -1]
    moved = mean - logit(predict(raw, to_matrix(rows, contract)))
    assert found.columns == ["customer_id", *map(why, Group)]
    assert np.allclose(found.drop("customer_id").sum_horizontal().to_numpy(), moved, atol=1e-4)


def test_chunks_and_the_order_of_rows_change_nothing(taught, monkeypatch):
    rows, contract, raw = taught
    whole = explained(raw, contract, rows)
    monkeypatch.setattr(attribution, "_CHUNK", 37)
    assert explained(raw, contract, rows).equals(whole)
    assert explained(raw, contract, rows.reverse()).reverse().equals(whole)
    assert explained(raw, contract, rows.clear()).equals(whole.clear())


def grouped(names, *, silent, orders):
    """Which groups a person's features speak of, a contribution of 1 from each."""
    once = np.array([orders == 1])
    sums = attribution._by_group(np.ones((1, len(names))), names, np.array([float(silent)]), once)[:, 0]
    return {str(group): value for group, value in zip(Group, sums, strict=True) if value}


def test_a_window_without_a_purchase_says_silence_and_nothing_else():
    names = ("net_amount_90d", "discount_amount_90d", "complaints_90d", "net_amount_365d")
    assert grouped(names, silent=89, orders=5) == {"spend": 2, "price": 1, "experience": 1}
    # Silence is told as a broken rhythm.
    assert grouped(names, silent=90, orders=5) == {"rhythm": 2, "experience": 1, "spend": 1}


def test_who_bought_once_has_no_rhythm_and_no_usual_basket():
    names = ("gap_days_mean", "order_value_mean", "categories", "complaints", "overdue_ratio", "orders_30d")
    assert grouped(names, silent=40, orders=1) == {"settled": 3, "experience": 1, "silence": 2}
    assert grouped(names, silent=40, orders=2) == {"rhythm": 3, "experience": 1, "basket": 1, "range": 1}


@pytest.fixture(scope="module")
def mixture(taught):
    """A model of four opinions."""
    rows = taught[0].with_columns(p_no_purchase_60d=(pl.col("days_since_last_purchase") + 1) / 300)
    contract = FeatureContract.of(rows)
    gone = rows.select(is_gone()).to_series()
    sample = Sample(to_matrix(rows, contract), rows["returned"].cast(pl.Float64).to_numpy(), *_each(rows))
    weights = {"churn": 0.5, "smooth": 0.3, "attrition": 0.2}
    of_gone = {"churn": 0.1, "smooth": 0.2, "attrition": 0.3, "reactivation": 0.4}
    own, line = trees(rows.filter(gone), contract), fit_smooth(sample, contract)
    model = ReturnModel(
        trees(rows, contract), own, line, "p_no_purchase_60d", weights, of_gone, Calibration({})
    )
    return rows, contract, model


def _each(rows):
    return np.ones(len(rows)), np.zeros(len(rows), np.int32)


def test_groups_add_up_to_p0_as_the_whole_model_has_it(mixture):
    rows, contract, model = mixture
    said = explained_return(model, contract, rows).drop("customer_id").sum_horizontal()
    mean = pl.Series(logit(model._mix(to_matrix(rows, contract), rows))) + said
    gone = rows.select(is_gone()).to_series()
    # What is left over is the mean, the same for all of whom the same opinions speak.
    for some in (mean.filter(gone), mean.filter(~gone)):
        assert len(some) > 100
        assert some.max() - some.min() < 1e-4


def test_a_model_of_trees_alone_is_explained_by_them(mixture):
    rows, contract, model = mixture
    alone = replace(model, weights={"churn": 1.0}, weights_of_gone={"reactivation": 1.0})
    gone = rows.select(is_gone()).to_series()
    found = explained_return(alone, contract, rows)
    assert found.filter(~gone).equals(explained(model.churn, contract, rows.filter(~gone)))
    assert found.filter(gone).equals(explained(model.reactivation, contract, rows.filter(gone)))
    assert found["customer_id"].equals(rows["customer_id"])


def test_the_latent_attrition_model_speaks_against_its_mean(mixture):
    rows, contract, model = mixture
    alone = replace(model, weights={"attrition": 1.0}, weights_of_gone={"attrition": 1.0})
    silence = explained_return(alone, contract, rows).select(why(Group.RHYTHM), why(Group.SILENCE))
    moved_away = silence.sum_horizontal()
    assert abs(moved_away.mean()) < 1e-3
    assert moved_away.arg_max() == rows["p_no_purchase_60d"].arg_max()


def test_a_model_without_all_opinions_can_be_explained(mixture):
    rows, contract, model = mixture
    few = replace(model, reactivation=None, attrition=None, weights_of_gone=model.weights)
    assert explained_return(few, contract, rows).height == len(rows)
    assert explained_return(few, contract, rows.clear()).height == 0


def test_the_report_shows_what_moves_predictions(mixture):
    rows, contract, raw = mixture
    found = shap_files(raw, contract, rows.with_columns(p0=0.5))
    table = pl.read_csv(found[SIZES])
    assert table.height == len(contract.names)
    assert table["mean_abs"].is_sorted(descending=True)
    top = table["feature"][0]
    assert set(found) >= {SUMMARY, SIZES, f"report/shap_dependence_{top}.png"}
    assert found == shap_files(raw, contract, rows)


def test_sizes_are_means_of_absolute_contributions():
    matrix = pl.DataFrame({"a": [1.0, 2.0], "b": [1.0, None]})
    found = mean_sizes(matrix, np.array([[1.0, -3.0], [-2.0, 1.0]]), {"a": "basket", "b": "price"})
    assert found.rows() == [("b", "price", 2.0), ("a", "basket", 1.5)]


@pytest.mark.parametrize(
    "values", [[1.0, 2.0, None], [None, None, None], [1.0, 1.0, 1.0], ["x", "y", None]], ids=str
)
def test_any_feature_can_be_drawn(values):
    matrix = pl.DataFrame({"a": values}, schema={"a": pl.Enum(["x", "y"]) if "x" in values else pl.Float32})
    added = np.array([[0.1], [-0.2], [0.0]])
    assert shap_dependence_png(matrix, added, "a").startswith(b"\x89PNG")
    assert shap_summary_png(matrix, added, {"a": "basket"}).startswith(b"\x89PNG")


def test_the_features_of_a_day_can_be_explained(taught):
    _, contract, raw = taught
    assert explained(raw, contract, feature_frame(20)).height == 20
