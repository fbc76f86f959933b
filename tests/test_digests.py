"""Names that stay the same for ever."""

from pathlib import Path

from features.digests import file_digest, short_digest

OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


def test_a_short_digest_is_the_head_of_sha256_over_utf8():
    assert short_digest("abc") == short_digest(b"abc") == OF_ABC[:12]
    assert short_digest("ü") == short_digest(b"\xc3\xbc")


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == OF_ABC
