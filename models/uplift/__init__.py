"""What does contacting someone change, learned from the own randomised contacts?

`learn` gives, per offer, the strongest evidence there is: a model per person (A), a pooled effect (B), or
what was assumed (C).
"""

from models.uplift.contacts import contract_of
from models.uplift.curves import Estimate, Judged, auuc, curves, qini, qini_over_folds
from models.uplift.learned import Learned, learn
from models.uplift.model import UpliftModel, Verdict, fit_uplift, judge_uplift
from models.uplift.pooled import Pooled, fit_pooled
from models.uplift.standing import Standing, changed, standings

__all__ = [
    "Estimate",
    "Judged",
    "Learned",
    "Pooled",
    "Standing",
    "UpliftModel",
    "Verdict",
    "auuc",
    "changed",
    "contract_of",
    "curves",
    "fit_pooled",
    "fit_uplift",
    "judge_uplift",
    "learn",
    "qini",
    "qini_over_folds",
    "standings",
]
