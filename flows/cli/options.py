"""What commands take alike, and what they return."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from flows.settings import Settings

Summary = Mapping[str, Any]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Shown:
    """How results are shown."""

    json: Annotated[bool, Parameter(show_default=False)] = False
    """Print the result as one JSON object on the last line of standard output."""
    verbose: Annotated[bool, Parameter(show_default=False)] = False
    """Show what Prefect logs while the flow runs, and warnings of libraries."""
    debug: Annotated[bool, Parameter(show_default=False)] = False
    """Show the traceback of a failure."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common(Shown):
    """What every command on a config takes."""

    config: Annotated[str, Parameter(alias="-c")] = "winback.yaml"
    """The config file."""
    set: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    """A key of the config and another value for this run, as key.path=value; can be given many times."""

    def settings(self) -> "Settings":
        """The config with the values given on the command line."""
        from flows.settings import load

        return load(self.config, self.set)


SHOWN, COMMON = Shown(), Common()
