"""Which ids are one person?

Ids that the identities table joins, or that share a normalised e-mail address or telephone number, directly
or through others.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from features.wording import counted
from models.eligibility import Known

# An address or number on more ids than this is a placeholder of the shop, not a person.
MOST_IDS = 20
_LEAST_DIGITS = 7


def persons(ids: pl.Series, customers: pl.DataFrame | None, identities: pl.DataFrame | None) -> pl.DataFrame:
    """Name the person behind every id.

    Args:
        ids: customer ids to name.
        customers: the customers table, if there is one; `email` and `phone` are used when present.
        identities: the identities table, if there is one.

    Returns:
        `customer_id`, `person_id`: one row per id of `ids` and of the two tables, sorted. A person is
        called by the smallest of the ids, so that nobody's name changes because a table is added that does
        not mention them.
    """
    tables = [frame["customer_id"] for frame in (customers, identities) if frame is not None]
    everyone = pl.concat([ids, *tables]).drop_nulls().unique().sort().alias("customer_id").to_frame()
    shared = _shared(everyone, pl.concat(list(_links(customers, identities)) or [_NO_LINKS]))
    return everyone.join(_components(shared), on="customer_id", how="left", maintain_order="left").select(
        "customer_id", person_id=pl.coalesce("person_id", "customer_id")
    )


def unjoined_note(ids: pl.Series, known: Known) -> str | None:
    """Says so where a `person_id` is a customer id without a row of its own in identities, as after a merge.

    Names of persons are no customer ids: where both are plain numbers, taking one for the other would join
    strangers. So such an id is joined with nobody, and a suppression of it protects nobody else.

    Args:
        ids: customer ids that are scored.
        known: the tables.
    """
    if known.identities is None:
        return None
    tables = [table["customer_id"] for table in (known.customers, known.suppressions) if table is not None]
    customers = pl.concat([ids, *tables]).unique()
    named = known.identities["person_id"].unique()
    alike = named.filter(
        named.is_in(customers.implode()) & ~named.is_in(known.identities["customer_id"].implode())
    )
    if alike.is_empty():
        return None
    who = counted(len(alike), "person", "people")
    return (
        f"Warning: identities names {who} by a customer id that has no row of its "
        "own there. Such an id is not joined with the ids whose rows name it, so that a suppression or a no "
        "of one does not protect the other. If they are the same people (rows like A3,A5), give each such id "
        "a row of its own (A5,A5); if they are numbers of their own, make them differ "
        "(person_id: \"'p' || person_id\")."
    )


_NO_LINKS = pl.DataFrame(schema={"customer_id": pl.String, "link": pl.String})


def _links(customers: pl.DataFrame | None, identities: pl.DataFrame | None) -> Iterator[pl.DataFrame]:
    if identities is not None:
        yield identities.select("customer_id", link="i" + pl.col("person_id"))
    for column, normal in (("email", _email()), ("phone", _phone())):
        if customers is not None and column in customers.columns:
            links = customers.select("customer_id", link=column[0] + normal)
            few = pl.len().over("link") <= MOST_IDS
            yield links.drop_nulls().unique().filter(few)


def _email() -> pl.Expr:
    address = pl.col("email").str.strip_chars().str.to_lowercase()
    return pl.when(address.str.contains("@", literal=True)).then(address)


def _phone() -> pl.Expr:
    digits = pl.col("phone").str.replace_all(r"[^0-9+]", "").str.replace(r"^00", "+")
    return pl.when(digits.str.len_chars() >= _LEAST_DIGITS).then(digits)


def _shared(everyone: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """The links that more than one id has; all others join nobody."""
    known = links.drop_nulls().unique().join(everyone, on="customer_id", how="semi")
    return known.filter(pl.len().over("link") > 1).sort("customer_id", "link")


def _components(links: pl.DataFrame) -> pl.DataFrame:
    """Connected components of the graph whose nodes are ids and links."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ids = links["customer_id"].unique().sort()
    if ids.is_empty():
        return pl.DataFrame(schema={"customer_id": pl.String, "person_id": pl.String})
    rows = links["customer_id"].rank("dense").to_numpy() - 1
    columns = links["link"].rank("dense").to_numpy() - 1 + len(ids)
    size = len(ids) + links["link"].n_unique()
    graph = coo_array((np.ones(len(links)), (rows, columns)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    named = pl.DataFrame({"customer_id": ids, "component": component[: len(ids)]})
    return named.select("customer_id", person_id=pl.col("customer_id").min().over("component"))
