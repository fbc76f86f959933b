"""Which registered model decides now, and how that changes: by the rule, by hand, or back to the one before.

There is one registered model per question (`Store.model`): its versions replace each other, never those of
another one. Aliases say who decides; tags of the versions say why, since when, and who decided before.
Whatever changes, the alias of the champion moves last: a kill before it leaves the old champion in place, and
the same command again does the rest. `champion.before` is true of the present champion only: it lists the
versions that decided before it, oldest first, so that going back twice goes two steps back.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from features.errors import ConfigError, WinbackError
from models.promotion import Verdict
from models.tracking.record import BUNDLE
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


@dataclass(frozen=True, slots=True)
class _Registry:
    """A client, and the registered model of one question."""

    client: "MlflowClient"
    model: str


@contextmanager
def _registry(store: Store) -> Iterator[_Registry]:
    with connected(store) as client:
        yield _Registry(client, store.model)


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
    with _registry(store) as own:
        version = _aliases(own).get(CHAMPION)
        return None if version is None else _complete(own, version, cache)


def model_of(store: Store, version: str, cache: Path) -> Champion:
    """Any registered model, with its files, as if it were the champion.

    Raises:
        ConfigError: when there is no such version; the message names those that exist.
        WinbackError: when the store cannot be reached or the model's files are gone.
    """
    if not exists(store):
        raise ConfigError("There is no model yet. Train one: winback train.")
    with _registry(store) as own:
        known = _versions(own)
        if version not in known:
            there = f"There are {', '.join(known)}" if known else "There is none yet"
            raise ConfigError(
                f"There is no model {version} in {own.model}, the models of what the config asks. {there}; "
                "winback runs shows them."
            )
        return _complete(own, version, cache)


def former(store: Store) -> tuple[str, ...]:
    """Versions that decided before the present champion, newest first; deleted ones are left out."""
    if not exists(store):
        return ()
    with _registry(store) as own:
        present = _aliases(own).get(CHAMPION)
        possible = set(_versions(own)) - {present}
        return tuple(one for one in reversed(_before(own, present)) if one in possible)


def promote(store: Store, version: str, verdict: Verdict, at: datetime | None = None) -> None:
    """Carry out a verdict of the rule.

    Args:
        store: where the model is registered.
        version: the one that was judged.
        verdict: of the rule.
        at: when; noted on the version.
    """
    with _registry(store) as own:
        said = {VERDICT: "promoted" if verdict.promote else "refused", REASON: verdict.reason}
        _tag(own, version, said)
        if not verdict.promote:
            own.client.set_registered_model_alias(own.model, CHALLENGER, version)
            return
        _clear(own, version, OVERRIDE, WITHDRAWN)
        _crown(own, version, _following(own, version), at)


def appoint(store: Store, version: str, reason: str, at: datetime) -> None:
    """Make a version the champion because a person says so.

    The one that it replaces counts as withdrawn: no repeated training puts it back.
    """
    with _registry(store) as own:
        before = _following(own, version)
        _by_hand(own, version, f"promoted by hand on {_time(at)}: {reason}", at, before)


def roll_back(store: Store, reason: str, at: datetime) -> str:
    """Make the champion before the present one the champion again; returns its version.

    Raises:
        ConfigError: when there is none.
    """
    earlier = former(store)
    if not earlier:
        raise ConfigError("No model decided before the present one: there is nothing to go back to.")
    with _registry(store) as own:
        present = _aliases(own)[CHAMPION]
        line = _before(own, present)
        said = f"put back by hand on {_time(at)}, in place of {present}: {reason}"
        _by_hand(own, earlier[0], said, at, line[: len(line) - 1 - line[::-1].index(earlier[0])])
    return earlier[0]


def _by_hand(own: _Registry, version: str, said: str, at: datetime, before: Sequence[str]) -> None:
    present = _aliases(own).get(CHAMPION)
    if present not in {None, version}:
        _tag(own, str(present), {WITHDRAWN: f"replaced by {version}, {said}"})
    _clear(own, version, WITHDRAWN)
    _tag(own, version, {OVERRIDE: said})
    _crown(own, version, before, at)


def _crown(own: _Registry, version: str, before: Sequence[str], at: datetime | None) -> None:
    """Let a version decide: the alias moves last."""
    own.client.set_model_version_tag(own.model, version, _BEFORE, ",".join(before[-_REMEMBERED:]))
    if at is not None:
        own.client.set_model_version_tag(own.model, version, _SINCE, _time(at))
    if _aliases(own).get(CHALLENGER) == version:
        own.client.delete_registered_model_alias(own.model, CHALLENGER)
    own.client.set_registered_model_alias(own.model, CHAMPION, version)


def _following(own: _Registry, version: str) -> list[str]:
    """The champions before a version that replaces the present one now."""
    present = _aliases(own).get(CHAMPION)
    line = _before(own, present)
    return line if present in {None, version} else [*line, str(present)]


def _before(own: _Registry, version: str | None) -> list[str]:
    tags = {} if version is None else own.client.get_model_version(own.model, version).tags
    return [one for one in tags.get(_BEFORE, "").split(",") if one]


def _tag(own: _Registry, version: str, tags: Mapping[str, str]) -> None:
    """The same tags on a version and on the run that made it."""
    run_id = own.client.get_model_version(own.model, version).run_id
    for name, value in tags.items():
        own.client.set_model_version_tag(own.model, version, name, value)
        own.client.set_tag(run_id, name, value)


def _clear(own: _Registry, version: str, *names: str) -> None:
    """Tags that are no longer true of a version; its run keeps them as what happened once."""
    for name in names:
        if name in own.client.get_model_version(own.model, version).tags:
            own.client.delete_model_version_tag(own.model, version, name)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _aliases(own: _Registry) -> dict[str, str]:
    found = own.client.search_registered_models(f"name = '{own.model}'")
    return {alias: str(one) for model in found for alias, one in model.aliases.items()}


def _versions(own: _Registry) -> list[str]:
    found = own.client.search_model_versions(f"name = '{own.model}'")
    return sorted((str(one.version) for one in found), key=int)


def _complete(own: _Registry, version: str, cache: Path) -> Champion:
    made = own.client.get_model_version(own.model, version)
    run = own.client.get_run(made.run_id)
    bundle = _fetch(own, made.run_id, cache)
    return Champion(str(made.version), made.run_id, bundle, run.data.metrics, made.tags)


def _fetch(own: _Registry, run_id: str, cache: Path) -> Path:
    from mlflow.exceptions import MlflowException

    there = cache / run_id
    if there.is_dir():
        return there
    aside = cache / f".{run_id}.{uuid4().hex}"
    aside.mkdir(parents=True)
    try:
        got = Path(own.client.download_artifacts(run_id, BUNDLE, str(aside)))
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
