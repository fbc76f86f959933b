"""How the end of a command reaches people and programs: words, one JSON object, an exit code."""

import traceback
from collections.abc import Sequence

from cyclopts import CycloptsError

from features.errors import ConfigError, WinbackError
from flows.cli.options import Summary
from flows.cli.running import terminal

_USAGE, _FAULT, _INTERRUPTED = ConfigError.exit_code, WinbackError.exit_code, 130


def done(summary: Summary, words: Sequence[str]) -> int:
    """Tell the result of a command; returns the exit code."""
    from flows import console

    if "--json" in words:
        console.as_json(summary)
    else:
        console.closing(terminal(error=False), summary)
    return int(summary.get("exit_code", 0))


def failed(error: BaseException, words: Sequence[str]) -> int:
    """Tell in one message why a command failed; returns the exit code."""
    from flows import console

    code, message = _explain(error)
    if "--debug" in words:
        traceback.print_exception(error)
    console.problem(terminal(error=True), message)
    if "--json" in words:
        console.as_json({"status": "error", "message": message, "exit_code": code})
    return code


def _explain(error: BaseException) -> tuple[int, str]:
    match error:
        case WinbackError():
            return error.exit_code, str(error)
        case CycloptsError():
            return _USAGE, f"{str(error).strip()} Run winback --help to see what there is."
        case KeyboardInterrupt():
            return _INTERRUPTED, "Stopped. Nothing half done is visible; run the same command to go on."
        case OSError():
            place = f" ({error.filename})" if error.filename else ""
            return _FAULT, f"The system refused: {error.strerror or error}{place}. Run winback doctor."
        case MemoryError():
            words = "The memory of this machine was not enough. Close other programs or use a larger one."
            return _FAULT, words
    kind = type(error).__name__
    return _FAULT, f"A fault in winback itself ({kind}). Run the command again with --debug and report it."
