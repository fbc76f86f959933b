"""What do shops call their columns?"""

import re
from collections.abc import Iterable

# Names that shops use, best first; matched against the plain name (lower case, letters and digits only).
_NAMES: dict[str, tuple[str, ...]] = {
    "customer_id": (
        r"customer(id|no|nr|number|code|key)",
        r"(client|member|user|buyer|shopper|account|contact|party|kunden?)(id|no|nr|number|nummer|code|key)",
        r"customer|client|member|kunde",
        r"(customer|billing|buyer)?e?mail(address|billing)?",
    ),
    "ordered_at": (
        r"(order|ordered|purchase|purchased|invoice|transaction|sale|sold|bestell)(date|datum|time|at|on|datetime|timestamp)",
        r"(date|datum|time|timestamp|datetime)",
        r"created(at|on|date)?",
        r"(paid|completed|processed)(at|on|date)?",
        r".*(date|datum|timestamp|time)",
    ),
    "order_id": (
        r"(order|invoice|transaction|receipt|basket|bestell|ticket)(id|no|nr|number|nummer|name|code)",
        r"order|invoice|transaction|receipt|basket|invoiceno",
    ),
    "product_id": (
        r"(product|item|article|artikel|stock|line ?item)?(sku|stockcode)",
        r"(product|item|article|artikel|stock)(id|no|nr|number|nummer|code|key)",
    ),
    "product_name": (
        r"(product|item|article|artikel|lineitem)(name|title|description|bezeichnung)",
        r"description|title|product|item|beschreibung",
    ),
    "category": (
        r"(product)?(category|categoryname|department|kategorie|warengruppe)",
        r"subcategory|producttype",
    ),
    "quantity": (r"(lineitem|item|order|line)?(quantity|qty|units|menge|anzahl|pieces)", r"numberof.*"),
    "net_amount": (
        r"(net|line|extended)(amount|total|price|sales|revenue|value)|linetotal|netto(betrag)?",
        r"(sales|revenue|turnover|umsatz|spend)(amount|value)?",
        r"(amount|betrag|dollarvalue|value)(cents?|paid|total|net)?",
        r"(order|grand|sub)?total(amount|price|paid|cents?)?",
        r".*(amount|revenue|betrag|cents)",
    ),
    "unit_price": (r"(lineitem|unit|item|sales|net)?(price|preis|einzelpreis)(each)?",),
    "discount_amount": (r"(line|lineitem|order)?discount(amount|total|value)", r"rabatt(betrag)?"),
    "cost_amount": (r"(line|total)?(cost|costs|cogs|costamount|costofgoods(sold)?|einkaufspreis)",),
    "profit": (r"(gross|net|line)?(profit|margin|marge|gewinn)(amount)?",),
    "currency": (r"(order|presentment)?(currency|currencycode|waehrung)",),
    "channel": (r"(sales)?(channel)|source",),
    "store_id": (r"(store|shop|branch|filiale)(id|no|nr|number|code)?",),
    "line_id": (r"(row|line|lineitem)(id|no|nr|number)",),
    "consent": (r"(accepts?|agreed)(email)?marketing|(email)?(consent|optin|subscribed|newsletter)(email)?",),
}


def named(canonical: str, columns: Iterable[str]) -> list[str]:
    """Columns whose names fit, best first; among equals the first of the file."""
    ranked = [
        (rank, place, column)
        for place, column in enumerate(columns)
        for rank, pattern in enumerate(_NAMES[canonical])
        if re.fullmatch(pattern, plain(column))
    ]
    return list(dict.fromkeys(column for _, _, column in sorted(ranked)))


def plain(name: str) -> str:
    """A name in lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
