"""Train the estimator of the key, `unbraid.analysis.key_model`, on scores of synthetic songs."""
