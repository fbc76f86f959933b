"""Tiers come from value and habit together."""

from decision_world import people

from models.tiers import with_tier


def test_neither_money_nor_habit_alone_makes_gold():
    bronze = [
        {"customer_id": f"x{i}", "value_if_returned": 100.0 - i, "active_days": 1, "categories": 1}
        for i in range(8)
    ]
    frame = people(
        {"customer_id": "rich, regular, broad"},
        {"customer_id": "rich once", "value_if_returned": 9000.0, "active_days": 1, "categories": 1},
        *bronze[:-1],
        {**bronze[-1], "customer_id": "poor, regular, broad", "active_days": 9, "categories": 4},
    )
    tiers = dict(with_tier(frame).select("customer_id", "value_tier").iter_rows())
    assert tiers["rich, regular, broad"] == "gold"
    assert tiers["rich once"] == "silver"
    assert tiers["poor, regular, broad"] == "silver"
    assert tiers["x6"] == "bronze"


def test_a_customer_who_costs_money_earns_no_points_for_value():
    frame = people(
        {"customer_id": "a", "value_if_returned": -10.0, "value_if_not_returned": -10.0},
        {"customer_id": "b", "value_if_returned": -900.0, "value_if_not_returned": -10.0},
    )
    assert with_tier(frame)["value_tier"].to_list() == ["silver", "silver"]


def test_a_shop_without_categories_or_products_still_has_tiers():
    frame = people(*[{"customer_id": str(i), "value_if_returned": 100.0 * i} for i in range(10)])
    bare = frame.drop("categories", "active_days")
    assert with_tier(bare)["value_tier"].to_list() == ["bronze"] * 8 + ["silver"] * 2
