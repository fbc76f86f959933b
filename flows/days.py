"""What a run that decides on a day is called, and which day that is."""

from prefect.runtime import flow_run

from features.errors import ConfigError
from flows.inputs import opened


def name_of_run() -> str:
    """`<command> <as_of>`, for people who look at Prefect; a faulty config is reported by the run itself."""
    command = str(flow_run.get_flow_name()).removeprefix("winback-")
    asked = flow_run.get_parameters()
    try:
        _, as_of = opened(str(asked["config"]), list(asked.get("overrides") or []), asked.get("as_of"))
    except ConfigError:
        return command
    return f"{command} {as_of.day}"
