"""Sessions: records, transitions, leases, and the job that separates a song. Adapters do the I/O."""
