"""The inference container: an HTTP server for an endpoint, or a function fed by a queue; one image for both."""
