"""Featuretools and tsfresh, in an environment of their own: they need an older pandas than ours."""

import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tests.bench.places import AS_OF, BENCH, Place

_VENV = BENCH / "venv"
_PACKAGES = ("featuretools==1.31.0", "tsfresh==0.21.2", "pandas<3", "setuptools<81")
_SCRIPT = Path(__file__).with_name("foreign.py")
# Customers in the smaller sample; the larger one has four times as many. Both take seconds.
SAMPLES = {"featuretools": 2000, "tsfresh": 500}
LARGER = 4
_MOST_SECONDS = 900


class NotInstalledError(Exception):
    """The tools are not to be had here, for example because there is no index of packages."""


@dataclass(frozen=True, slots=True)
class Extrapolated:
    """What a tool would take for all customers: a straight line through two samples.

    Attributes:
        seconds: for all customers.
        features: how many it computes; other ones than the common set, as near to it as it gets.
        sampled: customers of the larger sample.
        customers: all of them.
    """

    seconds: float
    features: int
    sampled: int
    customers: int


def measure(tool: str, place: Place) -> Extrapolated:
    """Measure a tool on two samples of customers; reading and making orders of lines are given to it.

    Raises:
        NotInstalledError: when the environment cannot be made, or the tool does not run in it.
    """
    python = _python()
    sizes = (SAMPLES[tool], LARGER * SAMPLES[tool])
    small, large = (_run(python, tool, place.samples / f"{size}.csv") for size in sizes)
    customers = pl.read_parquet(place.result("samples"))["customers"].item()
    slope = max(large["seconds"] - small["seconds"], 0) / (sizes[1] - sizes[0])
    seconds = large["seconds"] + slope * (customers - sizes[1])
    return Extrapolated(seconds, int(large["features"]), sizes[1], customers)


def _python() -> Path:
    python = _VENV / "bin" / "python"
    made = _VENV / "made"
    if made.exists() and made.read_text() == repr(_PACKAGES):
        return python
    print(f"Installing {', '.join(_PACKAGES)} into .bench/venv", file=sys.stderr)
    venv.create(_VENV, clear=True, with_pip=True)
    _call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_PACKAGES])
    made.write_text(repr(_PACKAGES))
    return python


def _run(python: Path, tool: str, sample: Path) -> dict[str, float]:
    said = _call([python, _SCRIPT, tool, sample, AS_OF.day.isoformat()])
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    return figures


def _call(words: list[str | Path]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=_MOST_SECONDS)
    except subprocess.CalledProcessError as error:
        raise NotInstalledError(error.stderr.strip().splitlines()[-1:]) from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"no answer within {_MOST_SECONDS} s") from error
    return done.stdout
