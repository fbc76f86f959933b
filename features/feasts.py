"""Which public holidays a country has, the moving ones among them, and which of them people shop for.

Ramadan is no public holiday; it is counted as the 30 days before the end of the fast, where that is one.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache

# Big holidays by the English names of the calendar; a country has those that are public holidays there.
BIG: Mapping[str, str] = {
    "new_year": r"^New Year's Day",
    "easter": r"Good Friday|Easter",
    "eid_al_fitr": r"Eid al-Fitr",
    "eid_al_adha": r"Eid al-Adha",
    "lunar_new_year": r"(Lunar|Chinese|Korean) New Year",
    "diwali": r"Diwali|Deepavali",
    "thanksgiving": r"^Thanksgiving",
    "christmas": r"Christmas",
}
_FAST_DAYS = 30
# Days of one kind that are closer together belong to one feast.
_ONE_FEAST_DAYS = 20
_FIRST_YEAR, _YEARS_AHEAD = 1990, 3


def known_countries() -> frozenset[str]:
    """ISO 3166 codes of the countries whose holidays are known."""
    import holidays

    return frozenset(holidays.list_supported_countries())


def public_holidays(country: str, year: int) -> frozenset[date]:
    """Every public holiday from 1990 to a few years after `year`."""
    return frozenset(_calendar(country, year))


@lru_cache(maxsize=64)
def big_holidays(country: str, year: int) -> Mapping[str, tuple[date, ...]]:
    """The first day of each big holiday of the country, by kind, from 1990 to a few years after `year`."""
    days = _calendar(country, year)
    found = {kind: sorted(day for day in days if re.search(name, days[day])) for kind, name in BIG.items()}
    return {kind: _first_days(dates) for kind, dates in found.items() if dates}


def fast_days(country: str, year: int) -> frozenset[date]:
    """The days of Ramadan; none where its end is no public holiday."""
    ends = big_holidays(country, year).get("eid_al_fitr", ())
    return frozenset(end - timedelta(days=back) for end in ends for back in range(1, _FAST_DAYS + 1))


def days_before(country: str, year: int, days: int) -> frozenset[date]:
    """Each big holiday and the `days` - 1 days before it."""
    feasts = (day for dates in big_holidays(country, year).values() for day in dates)
    return frozenset(day - timedelta(days=back) for day in feasts for back in range(days))


@lru_cache(maxsize=64)
def _calendar(country: str, year: int) -> dict[date, str]:
    import holidays

    years = range(_FIRST_YEAR, year + _YEARS_AHEAD + 1)
    return dict(holidays.country_holidays(country, years=years, language="en_US"))


def _first_days(dates: list[date]) -> tuple[date, ...]:
    apart = timedelta(days=_ONE_FEAST_DAYS)
    return tuple(day for n, day in enumerate(dates) if n == 0 or day - dates[n - 1] > apart)
