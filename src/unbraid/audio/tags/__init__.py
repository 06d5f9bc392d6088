"""Read the tags of a song from any container, and write them in the form of each output format."""
