"""The pipeline's own way through a world: history, features, fits, list, and learning from its own contacts.

What a night and a training do, on frames in memory: the product's features, `models.fitting.fit`, appraisal
and decision with their controls, holdout and exploration. Left out are Prefect, the lake, and the quality
gate with its promotion: every fit is used.
"""

from dataclasses import replace
from datetime import timedelta

import polars as pl

from features.asof import AsOf
from features.engine import Engine
from features.table import FACTS, KEYS, feature_table, training_table
from models.appraisal import Rules, appraised
from models.assignment import Arm
from models.bundle import Bundle, predict
from models.decision import Decision, Night, decide
from models.effects import Effects
from models.eligibility import ENROLMENTS, Known, as_enrolments
from models.fitting import fit
from models.lesson import learnable
from models.matrix import is_feature
from models.splits import complete_snapshots, customer_fold
from models.uplift import learn
from models.uplift.learned import Learned
from models.uplift.pooled import fit_pooled
from tests.proof.chances import WINDOW
from tests.proof.tables import CONTACTS, OPENING, as_of, history, numbers
from tests.proof.terms import FEATURES, RECIPE, REFITS, STAGES, UPLIFT
from tests.proof.worlds import Numbers, Shop

_DRAWN = ("customer_id", "arm", "selection", "assignment_probability", "offer_id", "value_tier", "stratum")


class Pipeline:
    """One shop's pipeline.

    Attributes:
        bundles: week: the model learned at it.
        decisions: week: what was decided.
    """

    def __init__(self, rules: Rules, engine: Engine, first: Bundle) -> None:
        """Before the first list; the first model comes from history that no contact has touched."""
        self.rules, self._engine = rules, engine
        self.bundles: dict[int, Bundle] = {0: first}
        self.decisions: dict[int, Decision] = {}
        self._enrolments = pl.DataFrame(schema=ENROLMENTS)
        self._contacts = pl.DataFrame(schema=CONTACTS)
        self._drawn: list[pl.DataFrame] = []

    def choose(self, shop: Shop, week: int) -> Numbers:
        """Whom to contact on the shop's day."""
        if week in REFITS and week:
            self.bundles[week] = learned(shop, self._contacts, self._engine)
        if week >= REFITS[1]:
            self.rules = replace(self.rules, effects=self._effects(shop, week))
        facts = feature_table(history(shop), as_of(shop.day), STAGES, self._engine)
        predictions = predict(model_of(self.bundles, week), light(facts))
        night = Night(as_of(shop.day).day, f"{week:012d}", "proof")
        decision = decide(
            appraised(predictions, facts, self.rules), Known(enrolments=self._enrolments), self.rules, night
        )
        self.decisions[week] = decision
        self._enrol(decision, facts, predictions)
        return numbers(decision.winback["customer_id"])

    def _effects(self, shop: Shop, week: int) -> Effects:
        """What own contacts teach, pooled every week, and per person when the models are learned anew.

        Lists are ranked by the effect on returning; that on the margin of the window is not asked for.
        """
        rows = outcomes(pl.concat(self._drawn), shop).drop("window_margin")
        own = self.rules
        if week in REFITS or not isinstance(own.effects, Learned):
            return learn(rows, own.offers, own.effect, UPLIFT, seed=RECIPE.seed)
        return replace(own.effects, pooled=fit_pooled(rows, own.offers, own.effect))

    def _enrol(self, decision: Decision, facts: pl.DataFrame, predictions: pl.DataFrame) -> None:
        drawn = pl.concat([frame.select(_DRAWN) for frame in (decision.winback, decision.holdout)])
        told = decision.as_of + timedelta(days=1)
        both = pl.concat([decision.winback, decision.holdout], how="diagonal")
        acknowledged = both.with_columns(acknowledged_on=pl.lit(told, pl.Date))
        enrolled = as_enrolments(acknowledged, AsOf(decision.as_of, WINDOW))
        self._enrolments = pl.concat([self._enrolments, enrolled])
        contacts = drawn.select(
            "customer_id", "arm", "assignment_probability", contacted_on=pl.lit(told, pl.Date)
        )
        self._contacts = pl.concat([self._contacts, contacts])
        known = facts.select(*KEYS, "stage", *(name for name in FEATURES if name in facts.columns))
        said = predictions.select("customer_id", "p0")
        self._drawn.append(drawn.join(known, on="customer_id").join(said, on="customer_id"))


def model_of(bundles: dict[int, Bundle], week: int) -> Bundle:
    """The newest model of a week."""
    return bundles[max(one for one in bundles if one <= week)]


def learned(shop: Shop, contacts: pl.DataFrame | None, engine: Engine) -> Bundle:
    """A model from everything that a shop knows on its day."""
    now = as_of(shop.day)
    days = complete_snapshots(now, OPENING, RECIPE.train.snapshots)
    months, most = RECIPE.value.horizon_months, RECIPE.train.max_rows
    table = training_table(history(shop, contacts), days, now, months, STAGES, most, engine)
    rows = learnable(light(table)).with_columns(customer_fold("customer_id", RECIPE.train.folds, RECIPE.seed))
    return fit(rows, now, RECIPE).bundle


def light(table: pl.DataFrame) -> pl.DataFrame:
    """Only the features that the proof learns from, and all that is no feature."""
    kept = {*KEYS, *FACTS, *FEATURES}
    return table.select(name for name in table.columns if name in kept or not is_feature(name))


def outcomes(drawn: pl.DataFrame, shop: Shop) -> pl.DataFrame:
    """The randomised contacts whose window is over, with what became of them.

    People drawn for treatment or as its controls; who was explored has no controls to be compared with.

    Args:
        drawn: people enrolled, with `as_of`, arm, probability of the arm and features.
        shop: now.
    """
    compared = (str(Arm.TREATMENT), str(Arm.CONTROL))
    over = pl.col("as_of") + pl.duration(days=WINDOW) <= pl.lit(as_of(shop.day).day)
    rows = drawn.filter(pl.col("arm").is_in(compared), over).with_row_index("_row")
    bought = shop.orders()
    orders = pl.DataFrame(
        {
            "person": bought.person,
            "on": pl.Series(bought.day).cast(pl.Int32),
            "margin": bought.margin,
        }
    ).with_columns(on=pl.lit(OPENING) + pl.duration(days=pl.col("on")))
    who = rows.select("_row", "as_of", person=pl.Series(numbers(rows["customer_id"])))
    window = (pl.col("on") > pl.col("as_of")) & (pl.col("on") <= pl.col("as_of") + pl.duration(days=WINDOW))
    earned = who.join(orders, on="person").filter(window).group_by("_row").agg(pl.col("margin").sum())
    return rows.join(earned, on="_row", how="left", maintain_order="left").select(
        pl.exclude("_row", "margin"),
        treated=pl.col("arm") == str(Arm.TREATMENT),
        returned=pl.col("margin").is_not_null(),
        window_margin=pl.col("margin").fill_null(0.0).round().cast(pl.Int64),
    )
