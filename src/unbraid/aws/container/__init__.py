"""The inference container: one image that is an HTTP server for an endpoint, or a function that a queue feeds."""
