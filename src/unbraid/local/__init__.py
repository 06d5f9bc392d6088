"""Adapters for one machine: a folder, a database, worker processes, e-mail by SMTP."""
