"""A simulated shop: the files it would export, and apart from them, what really happened."""

from flows.demo_shop.bench import write_lines
from flows.demo_shop.plan import ShopPlan
from flows.demo_shop.write import ShopFiles, write_shop

__all__ = ["ShopFiles", "ShopPlan", "write_lines", "write_shop"]
