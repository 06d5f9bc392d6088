"""What a session is, what may be done with it, and how its song is separated: the same rules wherever it runs."""
