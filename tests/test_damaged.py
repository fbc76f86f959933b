"""A record of our own that cannot be read is named, with what to do; nothing is guessed in its place."""

from datetime import date
from pathlib import Path

import pytest
from workspace_world import shop, write

from features.errors import WinbackError
from flows import inputs
from flows.enrolments import delivered, read_enrolments
from flows.forgotten import read_forgotten

DAY = date(2024, 5, 31)


@pytest.mark.parametrize("content", ['{"list_id": "a', "[]", "\0"])
def test_a_damaged_list_is_named(tmp_path: Path, content: str) -> None:
    settings = shop(tmp_path)
    write(settings, DAY, [{"customer_id": "a", "arm": "treatment"}], acknowledge="by_command")
    folder = inputs.workspace(settings).list(DAY)
    for name in ("acknowledged.json", "manifest.json"):
        (folder / name).write_text(content)
        with pytest.raises(WinbackError, match=rf"{name} is damaged.*Restore it"):
            delivered(folder)


@pytest.mark.parametrize("left", [0, 100, None], ids=["empty", "cut", "gone"])
def test_people_of_a_list_that_cannot_be_read_are_not_taken_for_nobody(
    tmp_path: Path, left: int | None
) -> None:
    settings = shop(tmp_path)
    write(settings, DAY, [{"customer_id": "a", "arm": "treatment"}])
    places = inputs.workspace(settings)
    file = places.list(DAY) / "holdout.parquet"
    if left is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(WinbackError, match=r"holdout\.parquet is damaged.*Restore it"):
        read_enrolments(places.list(DAY).parent, date(2024, 6, 1))


def test_a_damaged_record_of_erased_people_lets_nobody_back_in(tmp_path: Path) -> None:
    (tmp_path / "forgotten.json").write_text('["ab')
    with pytest.raises(WinbackError, match=r"forgotten.json is damaged"):
        read_forgotten(tmp_path)
