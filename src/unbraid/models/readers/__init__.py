"""Readers of published weights, one module for each format. They run no code from the files."""
