"""Who was erased and must not come back: fingerprints, not names."""

import json
from pathlib import Path

from features.errors import WinbackError
from flows.workspace import publish_file

_FILE = "forgotten.json"


def read_forgotten(root: Path) -> frozenset[str]:
    """Fingerprints of everyone erased from a workspace.

    Raises:
        WinbackError: when the file cannot be read: erased people might come back.
    """
    path = root / _FILE
    if not path.is_file():
        return frozenset()
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise WinbackError(
            f"{path} is damaged: it is not what winback wrote. Restore it from a backup; without it erased "
            "people would come back."
        ) from None


def add_forgotten(root: Path, fingerprint: str) -> None:
    """Remember that a person was erased."""
    everyone = sorted(read_forgotten(root) | {fingerprint})
    with publish_file(root / _FILE, private=False) as path:
        path.write_text(json.dumps(everyone, indent=2) + "\n", encoding="utf-8")
