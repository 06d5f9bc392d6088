"""How the bundled model came to be: songs are synthesised, and a network learns to take them apart."""
