"""Run by the interpreter of an environment of its own: uplift of causalml's and scikit-uplift's learners.

Usage: `foreign.py IN.npz OUT.npz`. In: `x`, `treated`, one array per outcome, and `halves` (repeats x
customers). Out: per outcome and learner, repeats x customers: what a model of the other half says.
"""

import logging
import sys
import warnings

import numpy as np


def _regressor():
    from xgboost import XGBRegressor

    return XGBRegressor(max_depth=3, n_estimators=100, learning_rate=0.05, n_jobs=1, random_state=0)


def _causalml(name, x, treated, y, unseen):
    from causalml.inference.meta import BaseDRLearner, BaseSRegressor, BaseTRegressor, BaseXRegressor

    kinds = {"causalml S": BaseSRegressor, "causalml T": BaseTRegressor, "causalml X": BaseXRegressor}
    chance = {"p": np.full(len(y), 0.5)}
    if name == "causalml DR":
        model = BaseDRLearner(learner=_regressor())
        model.fit(x, treated, y, seed=0, **chance)
        return model.predict(unseen)[:, 0]
    model = kinds[name](learner=_regressor())
    if name == "causalml X":
        model.fit(x, treated, y, **chance)
        return model.predict(unseen, p=np.full(len(unseen), 0.5))[:, 0]
    model.fit(x, treated, y)
    return model.predict(unseen)[:, 0]


def _class_transformation(x, treated, y, unseen):
    from sklift.models import ClassTransformation, ClassTransformationReg
    from xgboost import XGBClassifier

    if set(np.unique(y)) <= {0.0, 1.0}:
        trees = XGBClassifier(max_depth=3, n_estimators=100, learning_rate=0.05, n_jobs=1, random_state=0)
        return ClassTransformation(trees).fit(x, y.astype(int), treated).predict(unseen)
    return ClassTransformationReg(_regressor(), propensity_val=0.5).fit(x, y, treated).predict(unseen)


LEARNERS = ("causalml S", "causalml T", "causalml X", "causalml DR", "scikit-uplift class transformation")


def main() -> None:
    """Predict every half by the other."""
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    given = np.load(sys.argv[1])
    x, treated, halves = given["x"], given["treated"].astype(int), given["halves"]
    found = {}
    for outcome in given["outcomes"]:
        y = given[outcome]
        for name in LEARNERS:
            said = np.zeros(halves.shape)
            for repeat, half in enumerate(halves):
                for one in np.unique(half):
                    taught, judged = half != one, half == one
                    rows = (x[taught], treated[taught], y[taught], x[judged])
                    own = name.startswith("causalml")
                    said[repeat, judged] = _causalml(name, *rows) if own else _class_transformation(*rows)
            found[f"{outcome}|{name}"] = said
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
