"""The digest of the code that makes a model: it changes with what could act otherwise, and no more."""

import shutil
from pathlib import Path

import pytest

from models import source_code
from models.source_code import code_digest

ROOT = Path(source_code.__file__).resolve().parents[1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the packages that may be changed."""
    for name in ("models", "features"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_copy_has_the_digest_of_what_is_installed(root: Path):
    assert code_digest(root) == code_digest()
    assert len(code_digest()) == 12


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("models/churn.py", "_FORWARD_RETURNS = 100", "_FORWARD_RETURNS = 101"),
        ("models/metrics/arrays.py", "\n\ndef ", "\n\n_LEAST = 3\n\n\ndef "),
        ("features/rhythm.py", "\n\ndef ", "\n\n_LEAST = 3\n\n\ndef "),
        ("features/labels.py", "\n\ndef ", "\n\n_LEAST = 3\n\n\ndef "),
    ],
)
def test_code_that_fits_or_makes_features_counts(root: Path, file: str, old: str, new: str):
    changed(root / file, old, new)
    assert code_digest(root) != code_digest()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("models/churn.py", "# Returns that both sides need", "# So many returns that both sides need"),
        ("models/churn.py", "Fit p0 on learnable rows", "Learn p0 from learnable rows"),
        ("models/churn.py", "\n\n\ndef ", "\n\n\n\n\ndef "),
        ("models/card.py", 'return Section("Data"', 'return Section("Our data"'),
        ("models/options.py", "default=400", "default=500"),
        ("features/ingest.py", "\n\ndef ", "\n\n_LEAST = 3\n\n\ndef "),
    ],
)
def test_words_layout_charts_and_settings_do_not(root: Path, file: str, old: str, new: str):
    changed(root / file, old, new)
    assert code_digest(root) == code_digest()
