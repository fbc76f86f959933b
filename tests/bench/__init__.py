"""How fast and how big: `make bench`. Not collected by pytest; figures are ratios measured in one run."""
