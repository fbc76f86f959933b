"""The horizon of a workspace: what the config sets, else what was chosen from the data once and kept."""

from datetime import date
from pathlib import Path

from pydantic import Field, ValidationError

from features.errors import ConfigError
from features.options import Section
from flows.settings import Settings
from flows.workspace import publish_file

_FILE = "horizon.json"


class Kept(Section):
    """A horizon that was chosen, and the last day that was known then."""

    horizon_days: int = Field(ge=1)
    chosen_as_of: date
    notes: tuple[str, ...] = ()


def kept(root: Path) -> Kept | None:
    """The horizon that a workspace keeps, or None when none was chosen there.

    Raises:
        ConfigError: when its file is damaged.
    """
    path = root / _FILE
    if not path.is_file():
        return None
    try:
        return Kept.model_validate_json(path.read_bytes())
    except ValidationError:
        raise ConfigError(
            f"{path} does not say which horizon was chosen. Set churn.horizon_days to that of the model in "
            "use, or remove the file to let the data choose again."
        ) from None


def keep(root: Path, chosen: Kept) -> None:
    """Keep a horizon from now on."""
    with publish_file(root / _FILE) as aside:
        aside.write_text(chosen.model_dump_json(indent=2) + "\n", encoding="utf-8")


def with_horizon(settings: Settings, days: int) -> Settings:
    """The same settings with a horizon."""
    churn = settings.churn.model_copy(update={"horizon_days": days})
    return settings.model_copy(update={"churn": churn})


def resolved(settings: Settings) -> Settings:
    """The settings with the workspace's own horizon where the config sets none and one was chosen."""
    if settings.churn.horizon_days is not None:
        return settings
    found = kept(settings.root)
    return settings if found is None else with_horizon(settings, found.horizon_days)


def overruled(settings: Settings) -> list[str]:
    """What to say when the config sets another horizon than the workspace keeps."""
    found, asked = kept(settings.root), settings.churn.horizon_days
    if found is None or asked in (None, found.horizon_days):
        return []
    wins = f"The config sets a horizon of {asked} days, which wins over the {found.horizon_days} days"
    return [f"{wins} chosen from the data up to {found.chosen_as_of}."]


def in_words(settings: Settings) -> str:
    """Which horizon a workspace has, and where it comes from."""
    found, asked = kept(settings.root), settings.churn.horizon_days
    if asked is not None:
        return " ".join([f"The horizon is {asked} days, as the config sets it.", *overruled(settings)])
    if found is None:
        return "The first training will choose the horizon from the data."
    return f"The horizon is {found.horizon_days} days, chosen from the data up to {found.chosen_as_of}."
