"""Readers of published weights that run nothing in the files, one module for each format."""
