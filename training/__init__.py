"""Synthesise the songs and voices that the bundled model is trained on; see README.md."""
