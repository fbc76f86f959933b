"""Which bucket, fold or draw a key falls into, the same on every machine and in every year.

Python's and Polars' own hashes may change between runs and versions; these do not. A salt makes draws for
different purposes independent of each other.
"""

import polars as pl
import polars_hash as plh

# 52 bits, which a double holds exactly.
_HEX_DIGITS = 13


def stable_hash(column: str, salt: str) -> pl.Expr:
    """Hash a String column: UInt64, fast, for buckets and folds. Null stays null.

    Args:
        column: name of the column.
        salt: what the hash is for; another salt gives an unrelated hash.
    """
    salted: pl.Expr = plh.concat_str(pl.lit(f"{salt}\x1f"), pl.col(column)).nchash.xxhash64()
    return salted.alias(column)


def sha256(column: str) -> pl.Expr:
    """SHA-256 of a String column, as 64 hex digits. Null stays null."""
    digest: pl.Expr = plh.col(column).chash.sha2_256()
    return digest.alias(column)


def uniform(column: str, salt: str) -> pl.Expr:
    """Draw a number in [0, 1) per value of a String column (HMAC-SHA256): Float64. Null stays null.

    Args:
        column: name of the column.
        salt: the key of the draw; without it nobody can foretell a person's draw.
    """
    digest: pl.Expr = plh.col(column).chash.hmac_sha256(key=salt)
    return (digest.str.slice(0, _HEX_DIGITS).str.to_integer(base=16) / 16.0**_HEX_DIGITS).alias(column)
