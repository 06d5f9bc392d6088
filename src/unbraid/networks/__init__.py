"""PyTorch definitions of the networks, for training and export: separating never imports them."""
