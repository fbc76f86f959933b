"""What moves the model's predictions in general? For those who judge a training, not for a list."""

import polars as pl

from models.matrix import FeatureContract, to_matrix
from models.plots_shap import mean_sizes, shap_dependence_png, shap_summary_png
from models.reasons.attribution import moved
from models.reasons.groups import group_of
from models.returning import ReturnModel

SUMMARY, SIZES = "report/shap_summary.png", "report/shap.csv"
_ROWS, _PICTURES = 2000, 4


def shap_files(model: ReturnModel, contract: FeatureContract, rows: pl.DataFrame) -> dict[str, bytes]:
    """Files of a report, by path: the summary, the sizes as a table, and the dependence of the top features.

    Args:
        model: the model of the return.
        contract: the features it reads.
        rows: feature rows with `stage`, from which a sample is taken evenly; there may be other columns.
    """
    sample = rows.gather_every(max(-(-len(rows) // _ROWS), 1))
    matrix = to_matrix(sample.select(contract.names), contract)
    added = moved(model, matrix, sample)
    groups = {name: str(group_of(name)) for name in contract.names}
    sizes = mean_sizes(matrix, added, groups)
    top = sizes.filter(pl.col("mean_abs") > 0).head(_PICTURES)["feature"]
    return {
        SUMMARY: shap_summary_png(matrix, added, groups),
        SIZES: sizes.write_csv().encode(),
        **{f"report/shap_dependence_{one}.png": shap_dependence_png(matrix, added, one) for one in top},
    }
