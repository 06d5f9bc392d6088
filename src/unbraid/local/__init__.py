"""The world on one machine: a folder, a database, worker processes, mail."""
