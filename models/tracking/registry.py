"""Which registered model decides now, and how that changes."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from features.errors import WinbackError
from models.promotion import Verdict
from models.tracking.record import BUNDLE, MODEL
from models.tracking.store import Store, connected, exists, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that scores.

    Attributes:
        version: of the registered model.
        run_id: the run that made it.
        bundle: local folder of the saved model.
        metrics: as recorded at training.
        tags: of the version, identity and verdict among them.
    """

    version: str
    run_id: str
    bundle: Path
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def champion(store: Store, cache: Path) -> Champion | None:
    """The current champion, or None when there is none yet.

    Args:
        store: where to look.
        cache: folder for downloaded bundles, one per run; what is there already is not fetched again.

    Raises:
        WinbackError: when the store cannot be reached or the champion's files are gone.
    """
    if not exists(store):
        return None
    with connected(store) as client:
        aliases = _aliases(client)
        if CHAMPION not in aliases:
            return None
        made = client.get_model_version(MODEL, aliases[CHAMPION])
        run = client.get_run(made.run_id)
        bundle = _fetch(client, made.run_id, cache)
        return Champion(str(made.version), made.run_id, bundle, run.data.metrics, made.tags)


def promote(store: Store, version: str, verdict: Verdict) -> None:
    """Carry out a verdict: the alias moves last, so that a kill before it changes nothing that scores."""
    with connected(store) as client:
        run_id = client.get_model_version(MODEL, version).run_id
        tags = {
            "promotion.verdict": "promoted" if verdict.promote else "refused",
            "promotion.reason": verdict.reason,
        }
        for name, value in tags.items():
            client.set_model_version_tag(MODEL, version, name, value)
            client.set_tag(run_id, name, value)
        if verdict.promote:
            client.set_registered_model_alias(MODEL, CHAMPION, version)
        stands_by = _aliases(client).get(CHALLENGER) == version
        if not verdict.promote:
            client.set_registered_model_alias(MODEL, CHALLENGER, version)
        elif stands_by:
            client.delete_registered_model_alias(MODEL, CHALLENGER)


def _aliases(client: "MlflowClient") -> dict[str, str]:
    found = client.search_registered_models(f"name = '{MODEL}'")
    return {alias: str(one) for model in found for alias, one in model.aliases.items()}


def _fetch(client: "MlflowClient", run_id: str, cache: Path) -> Path:
    from mlflow.exceptions import MlflowException

    there = cache / run_id
    if there.is_dir():
        return there
    aside = cache / f".{run_id}.{uuid4().hex}"
    aside.mkdir(parents=True)
    try:
        got = Path(client.download_artifacts(run_id, BUNDLE, str(aside)))
        got.replace(there)
    except (MlflowException, OSError) as error:
        if there.is_dir():  # another process was faster
            return there
        why = without_password(str(error)).rstrip(".")
        raise WinbackError(
            f"The champion's files (run {run_id}) cannot be fetched: {why}. Restore them, or train again."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return there
