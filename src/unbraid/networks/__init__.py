"""PyTorch definitions of the networks, for training, export and graphics cards."""
