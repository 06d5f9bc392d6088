"""How good a separation is: scores against the true stems, and baselines to compare with."""
