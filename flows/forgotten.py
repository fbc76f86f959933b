"""Who was erased and must not come back: fingerprints, not names."""

import json
from pathlib import Path

from flows.workspace import publish_file

_FILE = "forgotten.json"


def read_forgotten(root: Path) -> frozenset[str]:
    """Fingerprints of everyone erased from a workspace."""
    path = root / _FILE
    return frozenset(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else frozenset()


def add_forgotten(root: Path, fingerprint: str) -> None:
    """Remember that a person was erased."""
    everyone = sorted(read_forgotten(root) | {fingerprint})
    with publish_file(root / _FILE, private=False) as path:
        path.write_text(json.dumps(everyone, indent=2) + "\n", encoding="utf-8")
