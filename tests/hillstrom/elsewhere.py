"""causalml and scikit-uplift, in an environment of their own: they are no part of the product."""

import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs

from tests.hillstrom.data import KEPT, OUTCOMES, Arm, halves

_VENV = KEPT / "venv"
_PACKAGES = ("causalml==0.18.0", "scikit-uplift==0.5.1")
_SCRIPT = Path(__file__).with_name("foreign.py")
_MOST_SECONDS = 1800
# Area per customer x 10,000, mean and spread over ten folds: ../shared/data/README.md.
_REFERENCE_OF = ("T-learner", "causalml S", "causalml X", "causalml DR", "scikit-uplift class transformation")
_AREAS = {
    ("men's", "visit"): ((7, 5), (8, 7), (5, 5), (4, 4), (2, 6)),
    ("men's", "spend"): ((-224, 394), (-209, 251), (-332, 295), (-176, 319), (111, 442)),
    ("women's", "visit"): ((32, 4), (36, 5), (33, 3), (30, 2), (23, 4)),
    ("women's", "spend"): ((146, 134), (192, 170), (200, 162), (28, 200), (59, 295)),
}
REFERENCE = {key: dict(zip(_REFERENCE_OF, values, strict=True)) for key, values in _AREAS.items()}


class NotInstalledError(Exception):
    """The tools are not to be had here, for example because there is no index of packages."""


def predictions(arm: Arm) -> dict[tuple[str, str], np.ndarray]:
    """(outcome, learner): repeats x customers, what a model of the other half says.

    Raises:
        NotInstalledError: when the environment cannot be made, or the tools do not run in it.
    """
    python = _python()
    given, found = (KEPT / f"{arm.name[:-2]}-{name}.npz" for name in ("given", "found"))
    outcomes = {name: arm.outcome(name) for name in OUTCOMES}
    features = arm.rows.select("recency", "history", "mens", "womens", "newbie", "zip_code", "channel")
    x = features.with_columns(cs.string().rank("dense")).cast(pl.Float64).to_numpy()
    names = np.array(OUTCOMES)
    np.savez(given, x=x, treated=arm.treated, halves=halves(arm), outcomes=names, **outcomes)
    _call([python, _SCRIPT, given, found])
    said = np.load(found)
    return {(key.split("|")[0], key.split("|")[1]): said[key] for key in said.files}


def _python() -> Path:
    python, made = _VENV / "bin" / "python", _VENV / "made"
    if made.exists() and made.read_text() == repr(_PACKAGES):
        return python
    print(f"Installing {', '.join(_PACKAGES)} into .hillstrom/venv", file=sys.stderr)
    venv.create(_VENV, clear=True, with_pip=True)
    _call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_PACKAGES])
    made.write_text(repr(_PACKAGES))
    return python


def _call(words: list[str | Path]) -> None:
    try:
        subprocess.run(words, capture_output=True, text=True, check=True, timeout=_MOST_SECONDS)
    except subprocess.CalledProcessError as error:
        raise NotInstalledError(error.stderr.strip().splitlines()[-1:]) from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"no answer within {_MOST_SECONDS} s") from error
