"""Sessions: their records, the rules that change them, and the job that separates a song. The same everywhere."""
