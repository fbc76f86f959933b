"""Which words does a text hold? Whole words and phrases, whatever their case, accents and punctuation."""

from collections.abc import Sequence

import polars as pl


def spoken(text: pl.Expr) -> pl.Expr:
    """A text as plain words: small letters and digits without accents, one space between words.

    Unicode's form NFKD takes letters and accents apart, and writes variants of a letter alike.
    """
    letters = text.str.normalize("NFKD").str.replace_all(r"\p{M}+", "").str.to_lowercase()
    return letters.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars(" ")


def plain(phrases: Sequence[str]) -> list[str]:
    """Phrases as plain words."""
    words = pl.Series("phrase", list(phrases), dtype=pl.String).to_frame().select(spoken(pl.col("phrase")))
    return words.to_series().to_list()


def holds_any(words: pl.Expr, phrases: Sequence[str]) -> pl.Expr:
    """Whether plain words hold one of the phrases as whole words; null where there is no text."""
    padded = [f" {phrase} " for phrase in plain(phrases)]
    return (" " + words + " ").str.contains_any(padded) if padded else pl.lit(value=False)
