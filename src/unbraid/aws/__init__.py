"""The same application in an account of Amazon Web Services."""
