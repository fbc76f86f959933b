"""Settings under which a training takes seconds, for nights that are not about how well it learns."""

FAST = ("train.snapshots=4", "train.folds=2", "train.tests=1", "xgb.rounds=20", "xgb.threads=1")
