"""Which offer is each person made, or none, within budget, stock and the capacity of channels and list?

One Lagrangian path: at a price of money lambda everybody takes the offer that maximises EIP - lambda x cost,
less the price of what else is scarce; the path is walked from a high lambda down, the best return first,
until somebody does not fit the budget. While stock and capacity have slack their prices are 0, so a bigger
budget only walks further and only adds people. Where more people want something than there is, those who
would give least for it are shown the rest of the offers, and the path is walked again.

Whether a person fits is asked as though they were contacted, so that being selected does not hang on the own
draw for a holdout; what others take is counted only when they are contacted. The draws of all together move
the prices, each by less than one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.choices import Bools, Choices, Floats, Ints
from models.hull import NONE, Steps, steps
from models.limits import Group
from models.mixing import mixture
from models.prices import Prices, bound, charges, find_prices, settled

# The gap that is not worth another walk.
_SMALL = 1e-4


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who is made what.

    Attributes:
        entry: per person, the entry of the choices that they are made, or `NONE`.
        walked: the whole path; `fits` of its steps are taken.
        fits: how many steps the budget has room for.
        groups: the limits on people.
        prices: of money and of places.
        profit: EIP of the contacted, minor units.
        bound: no choice within the limits reaches more.
    """

    entry: Ints
    walked: Steps
    fits: int
    groups: Sequence[Group]
    prices: Prices
    profit: float
    bound: float

    @property
    def gap(self) -> float:
        """The share of the bound that was not reached; the best choice is at most this much better."""
        return max(0.0, 1 - self.profit / self.bound) if self.bound > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Walk:
    """The path at some prices of places, and who holds what where the budget ends."""

    path: Steps
    fits: int
    entry: Ints
    charged: Floats

    @property
    def money(self) -> float:
        """The return of the first step that does not fit."""
        return float(self.path.price[self.fits]) if self.fits < len(self.path) else 0.0

    def with_more(self, choices: Choices, taken: Ints) -> "_Walk":
        """The same with some entries of people who hold none."""
        person, entry = choices.person[taken], self.entry.copy()
        entry[person] = taken
        nothing = np.full(len(taken), NONE)
        path = Steps(
            np.concatenate([self.path.person, person]),
            np.concatenate([self.path.entry, taken]),
            np.concatenate([self.path.before, nothing]),
            np.concatenate([self.path.price, np.zeros(len(taken))]),
        )
        return _Walk(path, len(path), entry, self.charged)


def allocate(choices: Choices, groups: Sequence[Group], budget: float | None) -> Allocation:
    """Choose offers for people.

    Args:
        choices: who can be offered what.
        groups: limits on contacted people; the narrow ones first.
        budget: most cost of contacted people, fine units.
    """
    free = np.zeros(len(groups))
    allowed = np.ones(len(choices.eip), dtype=np.bool_)
    walk = _walk(choices, groups, free, budget, allowed)
    prices = Prices(walk.money, free)
    if any(len(_surplus(choices, group, walk, allowed)) for group in groups):
        walk, prices = _priced(choices, groups, budget)
    return Allocation(
        entry=walk.entry,
        walked=walk.path,
        fits=walk.fits,
        groups=groups,
        prices=prices,
        profit=_profit(choices, walk.entry),
        bound=bound(choices, groups, budget, prices),
    )


def _priced(choices: Choices, groups: Sequence[Group], budget: float | None) -> tuple[_Walk, Prices]:
    """The best walk within all limits, and the prices with the lowest bound.

    Where a gap remains, people who are alike are dealt out (`models.mixing`), and at last the walk is tried
    without prices.
    """
    prices = find_prices(choices, groups, budget)
    everything = np.ones(len(choices.eip), dtype=np.bool_)
    walks = [_within(choices, groups, prices.places, budget, everything)]
    prices = _lower(choices, groups, budget, [prices, Prices(walks[0].money, prices.places)])
    if _profit(choices, walks[0].entry) < bound(choices, groups, budget, prices) * (1 - _SMALL):
        mixed = mixture(choices, groups, budget, prices)
        entries, dealt = mixed.entries(choices, groups), np.zeros(len(choices.eip), dtype=np.bool_)
        dealt[entries[entries != NONE]] = True
        free = np.zeros(len(groups))
        walks += [_within(choices, groups, free, budget, allowed) for allowed in (dealt, everything)]
        settled_at = settled(choices, groups, Prices(walks[-1].money, free))
        prices = _lower(choices, groups, budget, [prices, mixed.best, settled_at])
    return max(walks, key=lambda walk: float(choices.eip[walk.entry[walk.entry != NONE]].sum())), prices


def _lower(choices: Choices, groups: Sequence[Group], budget: float | None, prices: list[Prices]) -> Prices:
    return min(prices, key=lambda one: bound(choices, groups, budget, one))


def _profit(choices: Choices, entry: Ints) -> float:
    """EIP of the contacted."""
    held = entry[choices.contacted]
    return float(choices.eip[held[held != NONE]].sum())


def _walk(
    choices: Choices, groups: Sequence[Group], places: Floats, budget: float | None, allowed: Bools
) -> _Walk:
    charged = charges(groups, places, _offers(choices, groups))[choices.offer]
    path = steps(choices, np.where(allowed, choices.eip - charged, 0.0))
    fits = len(path) if budget is None else _room(choices, path, budget)
    entry = np.full(choices.people, NONE)
    entry[path.person[:fits]] = path.entry[:fits]
    return _Walk(path, fits, entry, charged)


def _offers(choices: Choices, groups: Sequence[Group]) -> int:
    return len(groups[0].offers) if groups else int(choices.offer.max(initial=-1)) + 1


def _room(choices: Choices, path: Steps, budget: float) -> int:
    """How many steps are taken before somebody does not fit the budget."""
    contacted = choices.contacted[path.person]
    whole = choices.cost[path.entry]
    more = whole - np.where(path.before == NONE, 0.0, choices.cost[path.before])
    counted = np.where(contacted, more, 0.0)
    spent = np.cumsum(counted) - counted
    beyond = spent + np.where(contacted, more, whole) > budget
    return int(beyond.argmax()) if beyond.any() else len(path)


def _within(
    choices: Choices, groups: Sequence[Group], places: Floats, budget: float | None, entries: Bools
) -> _Walk:
    """Walk, take out who is too many in the first group that is too full, close it to others, walk again.

    Only some `entries` are open to people, until at last places that stayed empty are filled with any.
    """
    allowed = entries.copy()
    open_ = list(groups)
    while True:
        walk = _walk(choices, groups, places, budget, allowed)
        full = [(group, over) for group in open_ if len(over := _surplus(choices, group, walk, allowed))]
        if not full:
            return _filled(choices, groups, walk, budget)
        for group, over in full:
            # Groups of one kind share no offer, so that one's surplus does not change another's.
            if group.kind == full[0][0].kind:
                _close(choices, group, walk, over, allowed)
                open_.remove(group)


def _surplus(choices: Choices, group: Group, walk: _Walk, allowed: Bools) -> Ints:
    """Those holding an offer of the group who do not fit: they lose least by leaving it."""
    within = group.offers[choices.offer]
    holders = np.flatnonzero(_holds(walk.entry, within))
    if int(choices.contacted[holders].sum()) < group.limit:
        return holders[:0]
    value = np.where(allowed, choices.eip - walk.charged - walk.money * choices.cost, -np.inf)
    here = value[walk.entry[holders]]
    value[within] = -np.inf
    ranked = holders[np.argsort(choices.best(value)[holders] - here, kind="stable")]
    counted = choices.contacted[ranked].astype(np.int64)
    return ranked[np.cumsum(counted) - counted + 1 > group.limit]


def _holds(entry: Ints, within: Bools) -> Bools:
    holds: Bools = (entry != NONE) & within[entry]
    return holds


def _close(choices: Choices, group: Group, walk: _Walk, surplus: Ints, allowed: Bools) -> None:
    """From now on only those who keep their place may hold an offer of the group; changes `allowed`."""
    within = group.offers[choices.offer]
    stays = _holds(walk.entry, within)
    stays[surplus] = False
    allowed[within & ~stays[choices.person]] = False


def _filled(choices: Choices, groups: Sequence[Group], walk: _Walk, budget: float | None) -> _Walk:
    """Give places that stayed empty to those whom their price left out, the best first: further steps.

    Only when the budget stopped nobody: otherwise there is no money for more.
    """
    filled = walk
    while filled.fits == len(filled.path):
        taken = _takers(choices, groups, filled, budget)
        if not len(taken):
            break
        filled = filled.with_more(choices, taken)
    return filled


def _takers(choices: Choices, groups: Sequence[Group], walk: _Walk, budget: float | None) -> Ints:
    """Of the best entries that people without an offer could be made, those before the first without room."""
    held = walk.entry[choices.contacted]
    held = held[held != NONE]
    left = [group.limit - int(group.offers[choices.offer[held]].sum()) for group in groups]
    open_ = np.ones(_offers(choices, groups), dtype=np.bool_)
    for group, places in zip(groups, left, strict=True):
        open_ &= (places > 0) | ~group.offers
    ranked = _ranked(choices, walk.charged, (walk.entry == NONE)[choices.person] & open_[choices.offer])
    contacted = choices.contacted[choices.person[ranked]]
    fits = np.ones(len(ranked), dtype=np.bool_)
    if budget is not None:
        fits &= _cumulated(choices.cost[ranked], contacted) <= budget - choices.cost[held].sum()
    for group, places in zip(groups, left, strict=True):
        within = group.offers[choices.offer[ranked]]
        fits &= ~within | (_cumulated(within.astype(np.float64), contacted) <= places)
    return ranked if fits.all() else ranked[: int(fits.argmin())]


def _ranked(choices: Choices, charged: Floats, candidates: Bools) -> Ints:
    """The best entry of each person, the best person first."""
    entries = np.flatnonzero(candidates)
    value = (choices.eip - charged)[entries]
    order = np.argsort(-value, kind="stable")
    by_value = entries[order]
    _, first = np.unique(choices.person[by_value], return_index=True)
    return by_value[np.sort(first)]


def _cumulated(amount: Floats, contacted: Bools) -> Floats:
    """What is used up with each one, as though they were contacted; others count when they are."""
    counted = np.where(contacted, amount, 0.0)
    total: Floats = np.cumsum(counted) - counted + amount
    return total
