"""The HTTP API: each route translates one call of `jobs.service`."""
