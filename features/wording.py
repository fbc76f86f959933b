"""How is a number of things said in a sentence?"""


def counted(count: int, thing: str, things: str | None = None) -> str:
    """A count with its noun in the right number: `1 fault`, `1,200 faults`.

    Args:
        count: how many.
        thing: the noun in the singular.
        things: its plural; default with an s.
    """
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"
