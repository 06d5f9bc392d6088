"""Train the estimator of the key, `unbraid.analysis.key_model`, on scores and sound of synthetic songs."""
