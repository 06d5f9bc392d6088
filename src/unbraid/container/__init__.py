"""The container image: its commands, the data folder of the web app, and the health check."""
