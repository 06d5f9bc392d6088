"""Adapters, functions and container for an account of Amazon Web Services."""
