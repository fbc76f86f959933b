"""What we believe and what we would do: training, value, ranking, assignment, measurement. Pure functions."""
