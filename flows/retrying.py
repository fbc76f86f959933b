"""When is a step worth trying again? Only around reading and writing, and only when the machine was at fault.

Bad data does not get better by reading it twice, and a mistake in the config does not go away.
"""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from features.errors import WinbackError


async def _is_passing(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, OSError) and not isinstance(error, WinbackError)


# For `@task(**ON_IO)`: two more tries, with a pause between them.
ON_IO: dict[str, Any] = {"retries": 2, "retry_delay_seconds": [2, 10], "retry_condition_fn": _is_passing}
