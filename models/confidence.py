"""How sure must an interval be? All that is said of contacts and offers is said with 90 %."""

LEVEL = 0.9
# The quantile of a Normal that leaves half of the rest above it.
Z_LEVEL = 1.6448536269514722
