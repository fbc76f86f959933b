"""A Prefect server that lives exactly as long as the process that started it.

Run as `python -m flows.server` by `flows.runtime`, which holds the other end of standard input: when that
closes, for whatever reason, the server ends. It prints one line: `CONFIGURED` when a server is configured
already, or its own address as soon as it answers. It writes to the database in the user's own Prefect home,
so that `prefect server start` shows these runs later.
"""

import os
import socket
import sys
import threading
import time

from flows.lock import turn

CONFIGURED = "configured"
_SECONDS_TO_END = 8.0


def main() -> None:
    """Serve on a free port of this machine until standard input closes."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    if PREFECT_API_URL.value():
        _announce(CONFIGURED)
        return
    # What Prefect sets for its own temporary servers: no web pages, no schedules.
    os.environ |= {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    os.environ["PREFECT_UI_ENABLED"] = "false"
    import uvicorn

    door = socket.create_server(("127.0.0.1", 0))

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            # Two servers that make the same new database at once spoil it for both.
            with turn(PREFECT_HOME.value() / "winback.lock"):
                await super().startup(sockets)
            if self.started:
                _announce(f"http://127.0.0.1:{door.getsockname()[1]}/api")

    config = uvicorn.Config(
        "prefect.server.api.server:create_app", factory=True, log_level="error", timeout_graceful_shutdown=2
    )
    server = Server(config)
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    server.run([door])


def _announce(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    sys.stdout = sys.stderr  # nobody reads the other one from here on


def _end_with_parent(server: object) -> None:
    sys.stdin.read()
    while not getattr(server, "started", False):  # never in the middle of making the database
        time.sleep(0.05)
    server.should_exit = True  # type: ignore[attr-defined]  # uvicorn is imported late
    time.sleep(_SECONDS_TO_END)
    os._exit(1)


if __name__ == "__main__":
    main()
