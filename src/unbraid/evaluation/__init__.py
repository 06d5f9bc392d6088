"""Score separated stems against the true ones, and compare them with baselines."""
