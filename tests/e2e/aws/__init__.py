"""End-to-end tests over HTTP: the real template, functions and container in simulated AWS services."""
