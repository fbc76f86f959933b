"""What a run is told: one YAML file over the base, `--set` on top, secrets from the environment.

All faults are reported at once, each with its place.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from features.asof import AsOf
from features.contracts import did_you_mean
from features.digests import short_digest
from features.errors import ConfigError
from features.options import (
    ChurnOptions,
    LakeOptions,
    Options,
    QualityOptions,
    SourceOptions,
    StageOptions,
    check_sources,
    parse_day,
)
from features.readable import Zone
from features.wording import counted
from flows.faults import Fault, in_plain_words, own_faults
from models.cause_table import CauseOptions, cause_faults, offer_faults
from models.options import (
    ConsentOptions,
    ContactOptions,
    EffectOptions,
    ListOptions,
    MlflowOptions,
    OfferOptions,
    SearchOptions,
    TrainOptions,
    UpliftOptions,
    ValueOptions,
    WatchOptions,
    XgbOptions,
)

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
# Where things lie does not change what they say, nor does watching them (a model that was trained because of
# it has a hash of its own): these keys stay out of the config hash.
_PLACES = ("workspace", "mlflow", "engine", "dask", "watch")
# What Polars and Delta read as more than a letter of a path.
_PATTERN_SIGNS = frozenset("*?[]%")
_ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _EachKeyOnce(yaml.SafeLoader):
    """YAML as it should be: a key that is given twice is a fault, not silently the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - as PyYAML calls it
        keys = [key.value for key, _ in node.value if key.tag == "tag:yaml.org,2002:str"]
        twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice!r} is given twice; keep one", node.start_mark
            )
        return super().construct_mapping(node, deep)


class DaskOptions(Options):
    """Which workers take the heavy steps when the engine is dask."""

    address: str | None = Field(
        default=None,
        pattern=r"^\w+://\S+$",
        description="running scheduler, e.g. tcp://10.0.0.5:8786; null starts workers on this machine",
    )
    workers: int = Field(default=2, ge=1, description="worker processes to start on this machine")
    threads_per_worker: int = Field(default=1, ge=1, description="parts that one worker works on at a time")
    memory_limit: str | None = Field(
        default=None,
        pattern=r"^\d+(\.\d+)?\s?[kMGT]i?B$",
        description="memory of one worker started here, e.g. 8GiB; null: an equal share of the machine's",
    )
    timeout: float = Field(default=30, gt=0, description="seconds to wait for the scheduler and for a worker")
    retries: int = Field(default=3, ge=0, description="lost workers that one piece of work outlives")


class Settings(Options):
    """The whole config. `configs/base.yaml` shows every key with its meaning."""

    workspace: str = Field(
        default="workspace", min_length=1, description="folder of everything a run leaves behind"
    )
    timezone: Zone = Field(
        default="UTC", description="the shop's time zone; days are counted in it; fixed by the first ingest"
    )
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="reporting currency, ISO 4217")
    country: str | None = Field(
        default=None, description="whose public holidays count, ISO 3166, e.g. NL; null: no holidays"
    )
    seed: int = Field(default=7, ge=0, lt=2**31, description="seed of everything drawn in training")
    engine: Literal["local", "dask"] = Field(
        default="local", description="where heavy steps run: on this machine's threads, or on Dask workers"
    )
    sources: dict[str, SourceOptions] = Field(description="table: where it comes from")
    lake: LakeOptions = Field(default_factory=LakeOptions)
    quality: QualityOptions = Field(default_factory=QualityOptions)
    churn: ChurnOptions = Field(default_factory=ChurnOptions)
    stages: StageOptions = Field(default_factory=StageOptions)
    train: TrainOptions = Field(default_factory=TrainOptions)
    xgb: XgbOptions = Field(default_factory=XgbOptions)
    search: SearchOptions = Field(default_factory=SearchOptions)
    value: ValueOptions = Field(default_factory=ValueOptions)
    effect: EffectOptions = Field(default_factory=EffectOptions)
    uplift: UpliftOptions = Field(default_factory=UpliftOptions)
    contact: ContactOptions = Field(default_factory=ContactOptions)
    causes: CauseOptions = Field(default_factory=CauseOptions)
    offers: tuple[OfferOptions, ...] = Field(default=(OfferOptions(id="message"),), min_length=1)
    consent: ConsentOptions
    list: ListOptions = Field(default_factory=ListOptions)
    watch: WatchOptions = Field(default_factory=WatchOptions)
    mlflow: MlflowOptions = Field(default_factory=MlflowOptions)
    dask: DaskOptions = Field(default_factory=DaskOptions)

    @field_validator("workspace")
    @classmethod
    def _plain_path(cls, workspace: str) -> str:
        found = sorted(_PATTERN_SIGNS & set(str(_absolute(workspace))))
        if found:
            raise ValueError(
                f"the path {_absolute(workspace)} holds {' '.join(found)}, which file readers take for a "
                "pattern or a code; choose a folder without * ? [ ] %"
            )
        return workspace

    @field_validator("country")
    @classmethod
    def _known_country(cls, country: str | None) -> str | None:
        from features.feasts import known_countries

        if country is not None and country not in known_countries():
            raise ValueError(f"{country!r} is no country with known holidays; write an ISO 3166 code like NL")
        return country

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        faults = check_sources(self.sources)
        ids = [offer.id for offer in self.offers]
        faults += [
            f"offers: id {one!r} is given twice" for one in sorted({i for i in ids if ids.count(i) > 1})
        ]
        faults += [
            f"offers.{offer.id}.channel: {offer.channel!r} has no cost under contact.cost"
            for offer in self.offers
            if offer.channel not in self.contact.cost
        ]
        faults += cause_faults(self.causes)
        faults += [
            fault for offer in self.offers for fault in offer_faults(offer.id, offer.causes, self.causes)
        ]
        faults += [
            f"list.channel_capacity.{channel}: the channel has no cost under contact.cost"
            for channel in self.list.channel_capacity
            if channel not in self.contact.cost
        ]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def root(self) -> Path:
        """The workspace folder."""
        return _absolute(self.workspace)

    @property
    def zone(self) -> ZoneInfo:
        """The shop's time zone."""
        return ZoneInfo(self.timezone)

    def as_of(self, day: str) -> AsOf:
        """The windows of a decision on one day, written YYYY-MM-DD.

        As long as no horizon is set or chosen, it is the longest candidate: nobody counts as free too early.
        """
        churn = self.churn
        horizon = churn.horizon_days or churn.horizon_candidates[-1]
        return AsOf(parse_day(day, "--as-of"), horizon, churn.gap_days, churn.lookback_days)

    def resolved(self) -> dict[str, Any]:
        """Every key with its value, ready for JSON; secrets stay names of environment variables."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """Hash of everything that can change a result: 12 hex digits."""
        content = {key: value for key, value in self.resolved().items() if key not in _PLACES}
        content["sources"] = {
            table: {k: v for k, v in source.items() if k not in ("path", "uri")}
            for table, source in content["sources"].items()
        }
        return short_digest(json.dumps(content, sort_keys=True))


def load(path: str | Path, overrides: Sequence[str] = ()) -> Settings:
    """Read a config file.

    Args:
        path: YAML file; `extends: other.yaml` in it (beside it) is read first.
        overrides: `key.path=value`, the value in YAML.

    Raises:
        ConfigError: naming every fault with its place.
    """
    tree = _read(Path(path))
    for override in overrides:
        _set(tree, override)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from None


def secret(text: str) -> str:
    """Put environment variables in place of `${NAME}`.

    Raises:
        ConfigError: naming a variable that is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ConfigError(
                f"The config names ${{{name}}}, but {name} is not set in the environment. Set it."
            )
        return os.environ[name]

    return _ENVIRONMENT.sub(value, text)


def _absolute(folder: str) -> Path:
    return Path(folder).expanduser().absolute()


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    if path.is_dir():
        found = ", ".join(sorted(one.name for one in path.glob("*.yaml"))) or "none"
        raise ConfigError(
            f"{path} is a folder, not a config file. Name a YAML file; those in the folder: {found}."
        )
    if not path.is_file():
        known = sorted(p.name for p in CONFIGS.glob("*.yaml"))
        raise ConfigError(
            f"There is no config file {path}. Built-in ones are {', '.join(known)} in {CONFIGS}."
        )
    if path.resolve() in seen:
        raise ConfigError(f"{path} extends itself. Take one 'extends' away.")
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not readable YAML: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds no keys. Start from configs/base.yaml or run winback init.")
    base = tree.pop("extends", None)
    if base is None:
        return tree
    return _merge(_read(path.parent / str(base), (*seen, path.resolve())), tree)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]  # both says so
    return merged


def _set(tree: dict[str, Any], override: str) -> None:
    place, equals, text = override.partition("=")
    if not equals or not place:
        raise ConfigError(f"--set {override!r} is not of the form key.path=value.")
    if not text.strip():  # an unset variable in a script would take a limit away
        raise ConfigError(f"--set {override!r} gives no value. Write null for none, '' for an empty text.")
    *parents, last = place.split(".")
    for name in parents:
        below = tree.setdefault(name, {})
        if isinstance(below, list):
            raise ConfigError(
                f"--set {override!r}: {name} is a list. Give it whole, in the config or by "
                f"--set '{name}=[...]'."
            )
        if not isinstance(below, dict):
            raise ConfigError(f"--set {override!r}: {name} holds a value, not keys.")
        tree = below
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override!r}: the value is not readable YAML. Put it in quotes.") from None


def _explain(error: ValidationError, path: str | Path) -> str:
    kinds: dict[str, list[str]] = {}
    faults: list[tuple[str, list[str]]] = []
    for fault, is_of_several in own_faults(error.errors()):
        place = ".".join(str(part) for part in fault["loc"])
        some = kinds.setdefault(place, []) if is_of_several else []
        # The kinds of value that one key takes are faults of their own, but one for people.
        if not some:
            faults.append((place, some))
        some.append(_sentence(fault, place))
    told = [(place, line) for place, some in faults for line in ", or ".join(some).splitlines()]
    lines = [f"{place}: {line}" if place else line for place, line in told]
    return f"{path} has {counted(len(lines), 'fault')}:\n" + "\n".join(f"  - {line}" for line in lines)


def _sentence(fault: Fault, place: str) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    match fault["type"]:
        case "extra_forbidden":
            return f"there is no such key.{did_you_mean([str(fault['loc'][-1])], _siblings(fault['loc']))}"
        case "missing":
            return f"required, but not given{_hint(place)}"
        case "model_type" if fault["input"] is None and fault["loc"][0] == "sources":
            return "holds nothing; leave the table out if you have none"
        case _:
            return in_plain_words(fault["type"], message)


def _hint(place: str) -> str:
    if place.startswith("consent"):
        return "; say on what ground people may be contacted: column, assumed or none"
    return ""


def _siblings(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Settings
    for part in loc[:-1]:
        inner = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else model
        model = SourceOptions if part == "sources" or model is SourceOptions else inner
    return list(getattr(model, "model_fields", {}))
