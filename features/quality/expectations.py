"""The same rules as Great Expectations' own objects, and one run of them over a frame.

The only module that imports Great Expectations. Nothing leaves the machine, nothing is printed, and a crash
inside an expectation is raised instead of looking like bad data.
"""

import gc
import html
import logging
import os
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from features.errors import WinbackError
from features.quality.rules import Between, Rule, Severity

_SITE = "winback"
_LONGEST_VALUE = 80
# An escaped character or a set of characters, which stay as they are, or the end of the text.
_END = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|(?P<end>\$)")
# What a result may keep of a rule over personal columns: how many, never which.
_COUNTS = ("element_count", "unexpected_count", "unexpected_percent", "missing_count", "missing_percent")


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation to be met by a frame.

    Attributes:
        rule: what is expected.
        share_kept: least share of rows that must keep it.
        notes: shown beside it in Data Docs.
    """

    rule: Rule
    share_kept: float
    notes: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Great Expectations said about one rule: met or not, and the rows that break it, counted from 0.

    At most as many rows are named as were asked for; `failed` counts them all.
    """

    met: bool
    failed: int
    rows: frozenset[int]


class Expectations:
    """A Great Expectations context of one run, in memory; its results become Data Docs."""

    def __init__(self, run: str, shown: int) -> None:
        with _quiet():
            self._context = _context()
            import great_expectations as gx

        self._gx = gx
        self._run = plain_name(run)
        self._shown = max(shown, 1)
        self._names: set[str] = set()

    def validate(
        self,
        name: str,
        checks: Sequence[Check],
        frame: pl.DataFrame,
        personal: Collection[str] = (),
        *,
        shown: int | None = None,
    ) -> tuple[str, Mapping[str, Outcome]]:
        """Run the checks over a frame.

        Args:
            name: what the page is called.
            checks: expectations; their columns are all there.
            frame: any rows.
            personal: columns whose values must not be shown.
            shown: rows named per outcome; as many as in all messages if not given.

        Returns:
            The name under which Data Docs hold the result, and the outcome per rule id.

        Raises:
            WinbackError: when an expectation could not be evaluated.
        """
        name = self._unique(name)
        rules = {check.rule.id: check.rule for check in checks}
        outcomes = {}
        with _quiet():
            identifier, result = self._checkpoint(name, checks, frame, shown or self._shown)
            for one in result.results:
                rule = rules[one.expectation_config.meta["id"]]
                _raise_crash(one, rule, name)
                outcomes[rule.id] = _outcome(one)
                one.result = _shown(one.result, masked=bool(set(rule.columns) & set(personal)))
            # In place of what the checkpoint has kept: pages are made from this.
            self._context.validation_results_store.set(identifier, result)
        return name, outcomes

    def build_docs(self, folder: Path) -> None:
        """Write the Data Docs of all results so far into an empty folder."""
        site = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        with _quiet():
            if _SITE in self._context.get_site_names():
                self._context.update_data_docs_site(_SITE, site)
            else:
                self._context.add_data_docs_site(_SITE, site)
            self._context.build_data_docs([_SITE])

    def _checkpoint(
        self, name: str, checks: Sequence[Check], frame: pl.DataFrame, shown: int
    ) -> tuple[Any, Any]:
        gx, context = self._gx, self._context
        asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
        suite = gx.ExpectationSuite(name, expectations=[_expectation(check) for check in checks])
        definition = gx.ValidationDefinition(
            name=name, data=asset.add_batch_definition_whole_dataframe(name), suite=context.suites.add(suite)
        )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(
                name=name,
                validation_definitions=[context.validation_definitions.add(definition)],
                actions=[],
                result_format={"result_format": "SUMMARY", "partial_unexpected_count": shown},
            )
        )
        run_id = gx.RunIdentifier(run_name=self._run, run_time=datetime.now(UTC))
        read = sorted({column for check in checks for column in check.rule.columns})
        done = checkpoint.run(batch_parameters={"dataframe": _pandas(frame.select(read))}, run_id=run_id)
        [(identifier, result)] = done.run_results.items()
        return identifier, result

    def _unique(self, name: str) -> str:
        plain = plain_name(name)
        number, unique = 1, plain
        while unique in self._names:
            number += 1
            unique = f"{plain}-{number}"
        self._names.add(unique)
        return unique


def plain_name(text: str) -> str:
    """The text as a name of files: letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "unnamed"


def limit(rule: str, severity: Severity, because: str, at_most: float) -> Rule:
    """The rule that a share, in the column named like the rule it belongs to, is not above a limit."""
    return Between(
        id=rule,
        expectation="expect_column_values_to_be_between",
        column=rule,
        max_value=float(at_most),
        severity=severity,
        because=because,
    )


def _context() -> Any:  # noqa: ANN401 - Great Expectations comes without types that mypy follows
    os.environ["GX_ANALYTICS_ENABLED"] = "False"  # read on import
    with _uncollected():
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    context.enable_analytics(enable=False)
    return context


@contextmanager
def _uncollected() -> Iterator[None]:
    """What is imported stays: the garbage collector need not go through it again and again meanwhile."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without log lines of Great Expectations, and without warnings about its own use of other libraries."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        logger.setLevel(level)


def _expectation(check: Check) -> Any:  # noqa: ANN401 - the same
    import great_expectations.expectations as gxe

    rule = check.rule
    name = "".join(part.capitalize() for part in rule.expectation.split("_"))
    arguments = {k: list(v) if isinstance(v, tuple) else v for k, v in rule.arguments().items()}
    if "regex" in arguments:
        arguments["regex"] = _very_end(str(arguments["regex"]))
    if rule.ignored_rows:
        arguments["ignore_row_if"] = rule.ignored_rows
    return getattr(gxe, name)(
        **arguments,
        mostly=check.share_kept,
        severity=rule.severity,
        meta={"id": rule.id},
        notes=check.notes,
    )


def _very_end(pattern: str) -> str:
    """The pattern for Python, whose `$` also matches before a last line break."""
    return _END.sub(lambda match: r"$(?!\n)" if match["end"] else match[0], pattern)


def _pandas(frame: pl.DataFrame) -> Any:  # noqa: ANN401 - the same
    """The frame for pandas, where NaN means missing and only times with a zone are compared at once.

    NaN, which is a value here, becomes infinity, which it is closest to in every comparison.
    """
    times = [
        name for name, dtype in frame.schema.items() if dtype == pl.Date or isinstance(dtype, pl.Datetime)
    ]
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    texts = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Enum | pl.Categorical)]
    return frame.with_columns(
        pl.col(times).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        pl.col(floats).fill_nan(float("inf")),
        pl.col(texts).cast(pl.String),
    ).to_pandas()


def _raise_crash(result: Any, rule: Rule, name: str) -> None:  # noqa: ANN401 - the same
    info = result.exception_info or {}
    # One flat mapping, or one mapping per metric.
    crashes = [info] if "raised_exception" in info else list(info.values())
    texts = [str(crash.get("exception_message")) for crash in crashes if crash.get("raised_exception")]
    if texts:
        raise WinbackError(
            f"The rule {rule.id} could not be evaluated on {name}: {texts[0]} "
            "This is a fault of the rule, not of the data; correct it in its suite."
        )


def _shown(result: Mapping[str, Any], *, masked: bool) -> dict[str, Any]:
    if masked:
        return {key: result[key] for key in _COUNTS if key in result}
    return {key: _short(value) for key, value in result.items()}


def _short(value: Any) -> Any:  # noqa: ANN401 - whatever Great Expectations puts into a result
    if isinstance(value, str):  # the pages show it as it is, markup and all
        return html.escape(value[:_LONGEST_VALUE] + ("..." if len(value) > _LONGEST_VALUE else ""))
    if isinstance(value, list):
        return [_short(one) for one in value]
    if isinstance(value, dict):
        return {key: _short(one) for key, one in value.items()}
    return value


def _outcome(result: Any) -> Outcome:  # noqa: ANN401 - the same
    found = result.result
    rows = frozenset(found.get("partial_unexpected_index_list") or ())
    return Outcome(bool(result.success), int(found.get("unexpected_count", 0)), rows)
