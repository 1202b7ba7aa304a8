"""StatsD: lines, sums, the port."""
