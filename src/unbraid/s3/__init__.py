"""Files in S3, and in stores with the same API. Extra `s3`."""
