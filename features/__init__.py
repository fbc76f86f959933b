"""What the data is, and what was known on a day: contracts, sources, quality, the lake, windows, features."""
