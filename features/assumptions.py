"""What was assumed of cells that could not be read, told to people."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from features.contracts import TABLES, UNREADABLE
from features.ledger import Receipt
from features.wording import counted


def assumptions(receipts: Sequence[Receipt]) -> Iterator[str]:
    """A sentence per table and rule about the accepted rows with a cell that was taken for a value.

    Args:
        receipts: what became of the deliveries of a run.
    """
    found: Counter[tuple[str, str]] = Counter()
    for receipt in receipts:
        rules: dict[str, int] = json.loads(receipt.assumed or "{}")
        found.update({(receipt.table, rule): rows for rule, rows in rules.items()})
    for (table, rule), rows in sorted(found.items()):
        column = TABLES[table].index[rule.removeprefix(UNREADABLE)]
        yield (
            f"Warning: {table}: {column.name} ({column.meaning}) cannot be read in {counted(rows, 'row')} "
            f"({rule}); the rows were accepted and the cells taken as {column.unreadable}. Correct them, or "
            f"how they are read (time_formats, decimal, columns of sources.{table})."
        )
