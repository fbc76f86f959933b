"""The flow that records that a list has been delivered to the tool: rest time and measurement start then."""

from datetime import date, datetime
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.errors import ConfigError, DataRefused
from features.options import parse_day
from flows import enrolments, inputs
from flows.artifacts import summarise
from flows.days import name_of_run
from flows.lock import hold
from flows.settings import Settings
from models.outputs import Manifest


@flow(name="winback-acknowledge", flow_run_name=name_of_run, validate_parameters=False)
def acknowledge(
    config: str, as_of: str, on: str | None = None, overrides: list[str] | None = None
) -> dict[str, Any]:
    """Record that the list of a day has been delivered; the first acknowledgement stays.

    Args:
        config: path of the config file.
        as_of: the day of the list, YYYY-MM-DD.
        on: the day on which it was delivered, YYYY-MM-DD; default today, in the shop's time zone.
        overrides: `key.path=value`.
    """
    settings, day = inputs.opened(config, overrides or [], as_of)
    with hold(settings.root, "winback acknowledge"):
        summary = confirm(settings, day, on)
    return summarise("acknowledge", summary)


@task(name="acknowledge the list", cache_policy=NO_CACHE)
def confirm(settings: Settings, as_of: AsOf, on: str | None) -> dict[str, Any]:
    """Write the acknowledgement beside the list, unless there is one.

    Raises:
        ConfigError: when the day of the delivery is not after the list's day, or is still to come.
        DataRefused: when there is no list, or its people could no longer be contacted on that day.
    """
    folder = inputs.workspace(settings).list(as_of.day)
    before = enrolments.delivered(folder)
    if before is None:
        today = datetime.now(settings.zone).date()
        delivered_on = today if on is None else parse_day(on, "--on")
        _check(as_of.day, delivered_on, today, enrolments.read_manifest(folder))
        told = enrolments.acknowledge(folder, delivered_on)
        said = f"The list of {as_of.day} is delivered: acknowledged on {told.acknowledged_on}."
    else:
        told = before
        said = (
            f"The list of {as_of.day} was delivered on {told.acknowledged_on} already; nothing was changed."
        )
    return {
        "status": "done" if before is None else "unchanged",
        "as_of": as_of.day.isoformat(),
        "acknowledged_on": told.acknowledged_on.isoformat(),
        "paths": {"list": str(folder)},
        "run_ids": {"list": told.list_id},
        "sentences": [said],
    }


def _check(as_of: date, on: date, today: date, manifest: Manifest | None) -> None:
    if manifest is None:  # the message about that comes from the record itself
        return
    if not as_of < on <= today:
        raise ConfigError(
            f"The list of {as_of} cannot have been delivered on {on}: that is before it was made, or still "
            f"to come (today is {today}). Give the day of the delivery with --on."
        )
    if on > manifest.contact_by:
        raise DataRefused(
            f"The list of {as_of} was to be used by {manifest.contact_by} and has been void since: its "
            f"people may be on a later list. If it was delivered in time, say when with --on; not on {on}."
        )
