"""The files a training leaves for people: what stands in them, that they are whole, that they name nobody."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tracking_world import DOCS, MARK, RECIPE, files, rows, trained
from training_world import AS_OF

from models import dossier
from models.card import Card, Section, Subject, Table, card_of, html, markdown
from models.evaluate import Response
from models.figures import calibration, figures, grouped, segments
from models.fitness import Diagnosis, Fit, Reason
from models.search import Trial
from models.stability import agreement
from models.training import train

ABOUT = {
    "as_of": "2024-06-30",
    "horizon_days": 60,
    "gap_days": 0,
    "lookback_days": None,
    "days": ["2024-05-01", "2024-04-01"],
    "rows": 1800,
}
METRICS = {
    "test.auroc": 0.8251,
    "test.auroc_low": 0.78,
    "test.auroc_high": 0.86,
    "test.profit_at_10pct": 1234.5,
    "test.customers": 300.0,
    "test.mean_predicted": 0.366,
    "test.mean_observed": 0.34,
    "test.ece": 0.045,
    "test.recency.auroc": 0.778,
    "test.champion.profit_at_10pct": 900.0,
    "test.lapsed.auroc": 0.743,
    "test.lapsed.mean_predicted": 0.2,
    "test.lapsed.mean_observed": 0.25,
    "test.country.gb.auroc": 0.8,
    "test.country.gb.customers": 1200.0,
    "test.country.gb.mean_predicted": 0.5,
    "test.country.gb.mean_observed": 0.4,
    "cv.log_loss": 0.48,
    "importance.rank_correlation": 0.9,
}


def subject(**others):
    made = Subject(
        about=ABOUT,
        metrics=METRICS,
        chosen={"churn.rounds": 15},
        features=6,
        lake_version="ab12cd34",
        notes=("61% of the value is extrapolated.",),
        currency="GBP",
        docs=DOCS,
        model="d6fdb3772b57",
    )
    return replace(made, **others)


def test_a_training_leaves_these_files():
    assert sorted(name for name in files() if "shap_dependence" not in name) == [
        "data/feature_contract.json",
        "report/calibration.png",
        "report/calibration_by_stage.png",
        "report/deciles.csv",
        "report/gain.png",
        "report/importance.csv",
        "report/importance_stability.csv",
        "report/importance_stability.png",
        "report/model_card.html",
        "report/model_card.md",
        "report/profit.png",
        "report/shap.csv",
        "report/shap_summary.png",
    ]
    pictures = [content for name, content in files().items() if name.endswith(".png")]
    assert all(content.startswith(b"\x89PNG") for content in pictures)
    assert json.loads(files()["data/feature_contract.json"]) == trained().bundle.contract.to_json()
    assert pl.read_csv(files()["report/importance.csv"]).equals(trained().importance)


def test_a_training_without_a_test_in_time_leaves_its_files_too():
    newest = rows().filter(pl.col("as_of") == pl.col("as_of").max())
    short = train(newest, AS_OF, RECIPE)
    found = dossier.findings_of(short, Response(), lake_version="x", currency="GBP", docs=None)
    made = dossier.files_of(found)
    assert "cross-validation over customers" in made["report/model_card.md"].decode()
    missing = {name for name in files().keys() - made.keys() if "shap_dependence" not in name}
    assert missing == {"report/importance_stability.csv", "report/importance_stability.png"}


def test_the_same_training_leaves_the_same_bytes():
    first = dict(files())
    files.cache_clear()
    assert files() == first


def test_no_file_names_anybody():
    assert MARK in trained().judged["customer_id"][0]
    assert [name for name, content in files().items() if MARK.encode() in content] == []


def test_the_card_says_whether_the_shop_fits_and_why_not():
    once = Reason(Fit.WEAK, "Of 5,000 customers, 90.0% bought only once.", "Work on the second order.")
    weak, fits = Diagnosis(Fit.WEAK, (once,)), Diagnosis(Fit.FITS, ())
    text = markdown(card_of(subject(diagnosis=weak)))
    assert "## Does it fit this shop?\n\nThe diagnosis before the training: weak." in text
    assert "weak: Of 5,000 customers, 90.0% bought only once. Work on the second order." in text
    assert "This shop fits" in markdown(card_of(subject(diagnosis=fits)))
    assert "Does it fit" not in markdown(card_of(subject()))
    found = dossier.findings_of(
        trained(), Response(), lake_version="x", currency="", docs=None, diagnosis=weak
    )
    assert b"90.0% bought only once" in dossier.files_of(found)["report/model_card.html"]


def test_how_well_the_fits_agree_on_what_matters_is_a_figure_of_the_run():
    assert trained().metrics["importance.rank_correlation"] == agreement(trained().stability)


def test_importance_over_snapshots_becomes_a_table_a_picture_and_a_sentence():
    shares = pl.DataFrame(
        {
            "feature": ["a", "b", "a", "b"],
            "snapshot": ["2024-04-01", "2024-04-01", "2024-05-01", "2024-05-01"],
            "gain_share": [0.7, 0.3, 0.6, 0.4],
        }
    )
    findings = dossier.findings_of(trained(), Response(), lake_version="x", currency="", docs=None)
    made = dossier.files_of(replace(findings, shares=shares, more={"report/shap.png": b"shap"}))
    assert made["report/importance_stability.csv"].startswith(b"feature,mean_share,spread,lowest")
    assert made["report/importance_stability.png"].startswith(b"\x89PNG")
    assert "rank correlation of 1.00" in made["report/model_card.md"].decode()
    assert made["report/shap.png"] == b"shap"


def test_without_a_years_margin_there_is_no_profit_curve():
    findings = dossier.findings_of(trained(), Response(), lake_version="x", currency="", docs=None)
    made = dossier.files_of(replace(findings, judged=findings.judged.drop("margin_365d")))
    assert "report/profit.png" not in made
    assert "profit.png" not in made["report/model_card.md"].decode()


def test_every_baseline_that_ranks_everybody_is_in_the_pictures():
    judged = pl.DataFrame(
        {
            "rfm.score": [0.1, float("-inf")],
            "mbg_nbd.score": [2, 1],
            "rfm.p0": [0.1, 0.2],
            "champion.score": [0.1, None],
        }
    )
    found = dossier._rivals(judged)
    assert {name: score.tolist() for name, score in found.items()} == {
        "rfm": [-0.1, np.inf],
        "mbg_nbd": [-2.0, -1.0],
    }


def test_the_profit_curve_of_a_baseline_is_that_of_the_list_it_would_write(monkeypatch):
    findings = dossier.findings_of(trained(), Response(), lake_version="x", currency="", docs=None)
    judged = findings.judged.with_columns(pl.col("p0").alias("twin.score"), pl.col("p0").alias("twin.p0"))
    drawn = {}
    monkeypatch.setattr(dossier, "profit_png", lambda _, ranked, *__, **___: drawn.update(ranked) or b"")
    dossier.files_of(replace(findings, judged=judged))
    assert drawn["twin"].tolist() == drawn["model"].tolist()


def test_the_card_says_what_on_whom_and_how_well():
    text = markdown(card_of(subject(), {"Gain and lift": "gain.png"}))
    assert text.startswith(
        "# Model card: who buys again within 60 days, as of 2024-06-30\n\n## What it predicts"
    )
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "What it predicts",
        "On whom",
        "Data",
        "How good it is, beside simple rules",
        "Calibration per stage",
        "Fairness by segment",
        "How it was chosen",
        "Limits",
    ]
    for line in (
        "| Learned from | 2 past days, 2024-04-01 to 2024-05-01 |",
        "| Version of the data | ab12cd34 |",
        f"(<{DOCS}>)",
        "| AUROC: order of return; 0.5 is chance | 0.825 (0.780 to 0.860) | 0.778 |  |",
        "| profit per contact among the top 10 %, assumed response, GBP | 1,234.50 |  | 900.00 |",
        "| lapsed |  | 20.0% | 25.0% | -5.0% |  | 0.743 |",
        "| country.gb | 1,200 | 50.0% | 40.0% | +10.0% |  | 0.800 |",
        "| churn.rounds | 15 |",
        "- 61% of the value is extrapolated.",
        "![Gain and lift](gain.png)",
        "Measured on days that came after everything the judged fit had seen.",
    ):
        assert line in text


def test_the_card_owns_up_to_a_history_too_short_for_a_test():
    short = {name.replace("test.", "cv."): value for name, value in METRICS.items()}
    assert "too short for a test in time" in markdown(card_of(subject(metrics=short, docs=None)))


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_it_is_given():
    hostile = subject(notes=("<script>alert(1)</script>",), lake_version="a|b")
    page = html(card_of(hostile, {"Gain": "gain.png", "Gone": "gone.png"}), {"gain.png": b"png"})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "gone.png" not in page
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == [DOCS, "data:image/png;base64,cG5n"]
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    text = markdown(card_of(hostile))
    assert "| Version of the data | a\\|b |" in text
    assert "\\<script\\>" in text


def test_an_empty_card_can_be_written():
    card = Card("Nothing", (Section("Empty", table=Table(("a",), ())),))
    assert markdown(card).startswith("# Nothing")
    assert "<h2>Empty</h2>" in html(card)


def test_groups_may_hold_dots_and_other_splits_are_not_figures():
    assert grouped({"test.a.b.auroc": 1.0, "test.auroc": 0.5, "churn.log_loss": 2.0}) == {
        "a.b": {"auroc": 1.0},
        "": {"auroc": 0.5},
    }


def test_baselines_stages_and_segments_are_told_apart():
    head, rows = figures(METRICS)
    assert head == ("", "model", "recency rule", "last champion")
    assert [row[0] for row in calibration(METRICS)[1]] == ["everyone", "lapsed"]
    assert [row[0] for row in segments(METRICS)[1]] == ["country.gb"]
    assert len(rows) == 3


@pytest.mark.parametrize("tell", [figures, calibration, segments])
def test_without_figures_tables_are_empty(tell):
    assert list(tell({})[1]) == []


def test_a_trial_becomes_a_nested_run():
    tried = Trial(0, {"max_depth": 4}, 0.41, (0.4, 0.41)), Trial(1, {}, None, (0.6,))
    kept, given_up = dossier.trial_runs(tried)
    assert (kept.name, kept.kind) == ("trial 0", "trial")
    assert kept.facts.params == {"xgb.max_depth": 4}
    assert kept.facts.metrics == {"search.log_loss": 0.41}
    assert kept.facts.curves == {"search.log_loss_so_far": (0.4, 0.41)}
    assert given_up.facts.metrics == {"search.log_loss": None}
