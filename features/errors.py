"""Which kinds of failure a person can be told about, each with the exit code of the command line.

Every message is one readable text: what was found, where, what to do.
"""


class WinbackError(Exception):
    """Anything we can explain. The command line prints the message without a traceback."""

    exit_code = 1


class ConfigError(WinbackError):
    """The configuration or the call is wrong."""

    exit_code = 2


class DataRefused(WinbackError):  # noqa: N818 - the word users read
    """The data breaks a contract, fails the gate, is stale, or would change a delivered list."""

    exit_code = 3


class WorkspaceBusy(WinbackError):  # noqa: N818 - the word users read
    """Another run holds the workspace."""

    exit_code = 4
