"""Which registered model decides now, and how that changes: by the rule, by hand, or back to the one before.

Aliases say who decides; tags of the versions say why, since when, and who decided before. Whatever changes,
the alias of the champion moves last: a kill before it leaves the old champion in place, and the same command
again does the rest. `champion.before` is true of the present champion only: it lists the versions that
decided before it, oldest first, so that going back twice goes two steps back.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from features.errors import ConfigError, WinbackError
from models.promotion import Verdict
from models.tracking.record import BUNDLE, MODEL
from models.tracking.store import Store, connected, exists, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
VERDICT, REASON = "promotion.verdict", "promotion.reason"
AGAINST = "promotion.against"  # the version that was champion when the run compared itself
OVERRIDE = "promotion.override"  # how a person put the version in place
WITHDRAWN = "champion.withdrawn"  # how a person took it out of use
_SINCE, _BEFORE = "champion.since", "champion.before"
_REMEMBERED = 50


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that scores, or could.

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
        version = _aliases(client).get(CHAMPION)
        return None if version is None else _complete(client, version, cache)


def model_of(store: Store, version: str, cache: Path) -> Champion:
    """Any registered model, with its files, as if it were the champion.

    Raises:
        ConfigError: when there is no such version; the message names those that exist.
        WinbackError: when the store cannot be reached or the model's files are gone.
    """
    if not exists(store):
        raise ConfigError("There is no model yet. Train one: winback train.")
    with connected(store) as client:
        known = _versions(client)
        if version not in known:
            there = f"There are {', '.join(known)}" if known else "There is none yet"
            raise ConfigError(f"There is no model {version}. {there}; winback runs shows them.")
        return _complete(client, version, cache)


def former(store: Store) -> tuple[str, ...]:
    """Versions that decided before the present champion, newest first; deleted ones are left out."""
    if not exists(store):
        return ()
    with connected(store) as client:
        present = _aliases(client).get(CHAMPION)
        possible = set(_versions(client)) - {present}
        return tuple(one for one in reversed(_before(client, present)) if one in possible)


def promote(store: Store, version: str, verdict: Verdict, at: datetime | None = None) -> None:
    """Carry out a verdict of the rule.

    Args:
        store: where the model is registered.
        version: the one that was judged.
        verdict: of the rule.
        at: when; noted on the version.
    """
    with connected(store) as client:
        said = {VERDICT: "promoted" if verdict.promote else "refused", REASON: verdict.reason}
        _tag(client, version, said)
        if not verdict.promote:
            client.set_registered_model_alias(MODEL, CHALLENGER, version)
            return
        _clear(client, version, OVERRIDE, WITHDRAWN)
        _crown(client, version, _following(client, version), at)


def appoint(store: Store, version: str, reason: str, at: datetime) -> None:
    """Make a version the champion because a person says so.

    The one that it replaces counts as withdrawn: no repeated training puts it back.
    """
    with connected(store) as client:
        before = _following(client, version)
        _by_hand(client, version, f"promoted by hand on {_time(at)}: {reason}", at, before)


def roll_back(store: Store, reason: str, at: datetime) -> str:
    """Make the champion before the present one the champion again; returns its version.

    Raises:
        ConfigError: when there is none.
    """
    earlier = former(store)
    if not earlier:
        raise ConfigError("No model decided before the present one: there is nothing to go back to.")
    with connected(store) as client:
        present = _aliases(client)[CHAMPION]
        line = _before(client, present)
        said = f"put back by hand on {_time(at)}, in place of {present}: {reason}"
        _by_hand(client, earlier[0], said, at, line[: len(line) - 1 - line[::-1].index(earlier[0])])
    return earlier[0]


def _by_hand(client: "MlflowClient", version: str, said: str, at: datetime, before: Sequence[str]) -> None:
    present = _aliases(client).get(CHAMPION)
    if present not in {None, version}:
        _tag(client, str(present), {WITHDRAWN: f"replaced by {version}, {said}"})
    _clear(client, version, WITHDRAWN)
    _tag(client, version, {OVERRIDE: said})
    _crown(client, version, before, at)


def _crown(client: "MlflowClient", version: str, before: Sequence[str], at: datetime | None) -> None:
    """Let a version decide: the alias moves last."""
    client.set_model_version_tag(MODEL, version, _BEFORE, ",".join(before[-_REMEMBERED:]))
    if at is not None:
        client.set_model_version_tag(MODEL, version, _SINCE, _time(at))
    if _aliases(client).get(CHALLENGER) == version:
        client.delete_registered_model_alias(MODEL, CHALLENGER)
    client.set_registered_model_alias(MODEL, CHAMPION, version)


def _following(client: "MlflowClient", version: str) -> list[str]:
    """The champions before a version that replaces the present one now."""
    present = _aliases(client).get(CHAMPION)
    line = _before(client, present)
    return line if present in {None, version} else [*line, str(present)]


def _before(client: "MlflowClient", version: str | None) -> list[str]:
    tags = {} if version is None else client.get_model_version(MODEL, version).tags
    return [one for one in tags.get(_BEFORE, "").split(",") if one]


def _tag(client: "MlflowClient", version: str, tags: Mapping[str, str]) -> None:
    """The same tags on a version and on the run that made it."""
    run_id = client.get_model_version(MODEL, version).run_id
    for name, value in tags.items():
        client.set_model_version_tag(MODEL, version, name, value)
        client.set_tag(run_id, name, value)


def _clear(client: "MlflowClient", version: str, *names: str) -> None:
    """Tags that are no longer true of a version; its run keeps them as what happened once."""
    for name in names:
        if name in client.get_model_version(MODEL, version).tags:
            client.delete_model_version_tag(MODEL, version, name)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _aliases(client: "MlflowClient") -> dict[str, str]:
    found = client.search_registered_models(f"name = '{MODEL}'")
    return {alias: str(one) for model in found for alias, one in model.aliases.items()}


def _versions(client: "MlflowClient") -> list[str]:
    found = client.search_model_versions(f"name = '{MODEL}'")
    return sorted((str(one.version) for one in found), key=int)


def _complete(client: "MlflowClient", version: str, cache: Path) -> Champion:
    made = client.get_model_version(MODEL, version)
    run = client.get_run(made.run_id)
    bundle = _fetch(client, made.run_id, cache)
    return Champion(str(made.version), made.run_id, bundle, run.data.metrics, made.tags)


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
            f"The files of a model (run {run_id}) cannot be fetched: {why}. Restore them, or train again."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return there
