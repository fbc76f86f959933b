"""Where do rows come from, and what do their cells mean? Deliveries, read in chunks, with canonical names."""

from features.sources.deliveries import Delivery, find_deliveries, read_delivery
from features.sources.mapping import map_chunk

__all__ = ["Delivery", "find_deliveries", "map_chunk", "read_delivery"]
