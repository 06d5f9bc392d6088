"""Teach a model from a user's own stems: check the songs, train, score, and keep the result as a model folder."""
