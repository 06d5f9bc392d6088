"""Webhooks: signed HTTPS requests that tell a program of a user when its song has ended."""
