"""What the shop sells, at which price and cost."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from flows.demo_shop.plan import Draw, Floats, ShopPlan

PER_CATEGORY = 30
_UNKNOWN_COST = 0.03


@dataclass(frozen=True, slots=True)
class Category:
    """One shelf: how often it is chosen, its middle price in euros, its gross margin, its goods."""

    name: str
    weight: float
    price: float
    margin: float
    goods: tuple[str, ...]


CATEGORIES = (
    Category("Coffee", 0.24, 11.0, 0.43, ("Espresso Beans", "Filter Coffee", "Crème Capsules")),
    Category("Tea", 0.14, 7.5, 0.44, ("Green Tea", "Black Tea", "Rooibos")),
    Category("Pantry", 0.17, 6.0, 0.33, ("Olive Oil", "Müsli", "Dark Chocolate")),
    Category("Care", 0.13, 9.0, 0.44, ("Hand Soap", "Shampoo Bar", "Face Cream")),
    Category("Pets", 0.12, 18.0, 0.31, ("Dog Food", "Cat Food", "Dental Chews")),
    Category("Kitchen", 0.08, 29.0, 0.37, ("Hand Mill", "Teapot", "Storage Jar")),
    Category("Garden", 0.06, 16.0, 0.39, ("Flower Seeds", "Herb Pot", "Bird Feeder")),
    Category("Gifts", 0.06, 24.0, 0.41, ("Gift Box", "Candle", "Board Game")),
)
GARDEN, GIFTS = 6, 7
_KINDS = ("Classic", "Organic", "Mild", "Strong", "Family Size", "Small", "Fine", "House", "Winter", "Fair")


def make_products(plan: ShopPlan) -> pl.DataFrame:
    """The catalogue, `PER_CATEGORY` products per category, in the order of `CATEGORIES`.

    Returns:
        `sku`, `product_name`, `category`, `price` and `unit_cost` in cents (cost null where nobody knows it).
    """
    rng = plan.stream(Draw.PRODUCTS)
    count = len(CATEGORIES) * PER_CATEGORY
    shelf = np.repeat(np.arange(len(CATEGORIES)), PER_CATEGORY)
    middle = np.array([category.price for category in CATEGORIES])[shelf]
    margin = np.array([category.margin for category in CATEGORIES])[shelf] + rng.normal(0, 0.06, count)
    price = np.maximum(np.round(middle * rng.lognormal(0, 0.35, count) * 100), 95).astype(np.int64)
    cost = np.round(price * (1 - np.clip(margin, 0.05, 0.75))).astype(np.int64)
    return pl.DataFrame(
        {
            "sku": [f"{c.name[:3].upper()}-{i:03d}" for c in CATEGORIES for i in range(1, PER_CATEGORY + 1)],
            "product_name": [f"{kind} {goods}" for c in CATEGORIES for goods in c.goods for kind in _KINDS],
            "category": [c.name for c in CATEGORIES for _ in range(PER_CATEGORY)],
            "price": price,
            "unit_cost": pl.Series(cost).set(pl.Series(rng.random(count) < _UNKNOWN_COST), None),
        }
    )


def shelf_weights() -> Floats:
    """How often each category is chosen by somebody without a preference; sums to 1."""
    weights = np.array([category.weight for category in CATEGORIES])
    shares: Floats = weights / weights.sum()
    return shares


def place_weights() -> Floats:
    """How often each product is chosen within its category; sums to 1."""
    weights = 1 / np.arange(1, PER_CATEGORY + 1) ** 0.8
    shares: Floats = weights / weights.sum()
    return shares
