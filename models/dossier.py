"""Which files does a training leave for people? By reader: `report/` for everyone, `data/` for tools.

Pictures and tables are about groups of people; no row of a person gets into any of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from models.card import Subject, card_of, html, markdown
from models.fitness import Diagnosis
from models.matrix import FeatureContract
from models.metrics import Array, Flags, Response, expected_gain
from models.plots import calibration_png, gain_png, profit_png, stability_png, strata_png
from models.reasons.summary import shap_files
from models.scoring import YEAR_MARGIN, contact_order, other_scorings
from models.search import Trial
from models.stability import agreement, stability
from models.tracking import CONTRACT, Facts, NestedRun
from models.training import Trained

CALIBRATION, BY_STAGE = "report/calibration.png", "report/calibration_by_stage.png"
GAIN, PROFIT, DECILES = "report/gain.png", "report/profit.png", "report/deciles.csv"
IMPORTANCE, STABILITY = "report/importance.csv", "report/importance_stability"
CARD = "report/model_card"
_SHOWN_ON_CARD = {
    "Predicted against observed": CALIBRATION,
    "Predicted against observed, per stage": BY_STAGE,
    "Gain and lift": GAIN,
    "Profit under the assumed response": PROFIT,
}
_MOST_FEATURES = 25
_SCORE = ".score"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a training found.

    Attributes:
        judged: rows of the test snapshots: stage, returned, weight, p0, and where they are known margin_365d
            and `<baseline>.score`.
        deciles: tenths of the ranking.
        importance: feature and its share of the total gain.
        contract: the features.
        response: the assumed response of the profit curve.
        subject: what the model card says.
        shares: feature, snapshot, gain_share of each test snapshot's fit, if there are any.
        more: further files.
    """

    judged: pl.DataFrame
    deciles: pl.DataFrame
    importance: pl.DataFrame
    contract: FeatureContract
    response: Response
    subject: Subject
    shares: pl.DataFrame | None = None
    more: Mapping[str, bytes] = field(default_factory=dict)


def findings_of(
    trained: Trained,
    response: Response,
    *,
    lake_version: str,
    currency: str,
    docs: str | None,
    diagnosis: Diagnosis | None = None,
) -> Findings:
    """The findings of a training.

    Args:
        trained: the training.
        response: the assumed response of the profit curve.
        lake_version: of the data.
        currency: of the reported money.
        docs: address of the Data Docs, if there are any.
        diagnosis: whether the shop fits, as judged before.
    """
    contract = trained.bundle.contract
    subject = Subject(
        about=trained.bundle.about,
        metrics=trained.metrics,
        chosen=trained.params,
        features=len(contract.names),
        lake_version=lake_version,
        notes=trained.notes,
        currency=currency,
        docs=docs,
        model=trained.bundle.digest,
        diagnosis=diagnosis,
    )
    return Findings(
        trained.judged,
        trained.deciles,
        trained.importance,
        contract,
        response,
        subject,
        trained.stability,
        shap_files(trained.bundle.returning, contract, trained.judged),
    )


def files_of(findings: Findings) -> dict[str, bytes]:
    """Artifact path: content."""
    made = {
        **_rankings(findings),
        **_importance(findings.shares),
        DECILES: findings.deciles.write_csv().encode(),
        IMPORTANCE: findings.importance.write_csv().encode(),
        CONTRACT: json.dumps(findings.contract.to_json(), indent=1).encode(),
        **findings.more,
    }
    return {**made, **_card(findings, made)}


def trial_runs(trials: Sequence[Trial]) -> tuple[NestedRun, ...]:
    """The trials of a search as nested runs; one that was given up has no loss of its own."""
    return tuple(
        NestedRun(
            f"trial {trial.number}",
            Facts(
                {f"xgb.{name}": value for name, value in trial.params.items()},
                {"search.log_loss": trial.loss},
                {"search.log_loss_so_far": trial.losses},
            ),
        )
        for trial in trials
    )


def _rankings(findings: Findings) -> dict[str, bytes]:
    """Pictures of the probabilities and of the order of the judged rows."""
    judged = findings.judged
    churned, churn = ~judged["returned"].to_numpy(), 1 - judged["p0"].to_numpy()
    stage = judged["stage"].cast(pl.String).to_numpy()
    strata = {str(name): (churned[stage == name], churn[stage == name]) for name in sorted(set(stage))}
    rivals = _rivals(judged)
    return {
        CALIBRATION: calibration_png(churned, churn),
        BY_STAGE: strata_png(strata),
        GAIN: gain_png(churned, {"model": churn, **rivals}),
        **_profit(findings, churned, churn, rivals),
    }


def _profit(
    findings: Findings, churned: Flags, churn: Array, rivals: Mapping[str, Array]
) -> dict[str, bytes]:
    """The profit curve; the model stops where it believes that a contact costs more than it brings."""
    if YEAR_MARGIN not in findings.judged.columns:
        return {}
    response, weight = findings.response, findings.judged["weight"].to_numpy()
    worth = findings.judged[YEAR_MARGIN].cast(pl.Float64).fill_null(0.0).to_numpy()
    believed = expected_gain(churn, worth, response)
    others = other_scorings(findings.judged)
    lists = {n: contact_order(findings.judged, others[n], response) for n in rivals if n in others}
    came = weight * expected_gain(churned.astype(float), worth, response) / response.minor_units
    cut = float((believed > 0).mean())
    unit = findings.subject.currency
    return {PROFIT: profit_png(came, {"model": believed, **rivals, **lists}, cut, unit=unit)}


def _rivals(judged: pl.DataFrame) -> dict[str, Array]:
    """How each baseline that has judged everybody ranks those who stay away, likeliest first."""
    scores = [name for name in judged.columns if name.endswith(_SCORE) and not judged[name].has_nulls()]
    found = {name.removesuffix(_SCORE): -judged[name].cast(pl.Float64).to_numpy() for name in scores}
    if found or "days_since_last_purchase" not in judged.columns:
        return found
    return {"recency": judged["days_since_last_purchase"].cast(pl.Float64).to_numpy()}


def _importance(shares: pl.DataFrame | None) -> dict[str, bytes]:
    if shares is None or shares.is_empty():
        return {}
    table = stability(shares)
    top = table.head(_MOST_FEATURES)
    agreed = agreement(shares)
    said = "" if agreed is None else f", rank correlation {agreed:.2f}"
    title = f"Importance over {shares['snapshot'].n_unique()} test snapshots{said}"
    mean, low, high = (top[name].to_numpy() for name in ("mean_share", "lowest", "highest"))
    return {
        f"{STABILITY}.csv": table.write_csv().encode(),
        f"{STABILITY}.png": stability_png(top["feature"].to_list(), mean, low, high, title),
    }


def _card(findings: Findings, files: Mapping[str, bytes]) -> dict[str, bytes]:
    agreed = None if findings.shares is None else agreement(findings.shares)
    images = {path.rpartition("/")[2]: files[path] for path in _SHOWN_ON_CARD.values() if path in files}
    shown = {t: path.rpartition("/")[2] for t, path in _SHOWN_ON_CARD.items() if path in files}
    card = card_of(replace(findings.subject, agreement=agreed), shown)
    return {f"{CARD}.md": markdown(card).encode(), f"{CARD}.html": html(card, images).encode()}
