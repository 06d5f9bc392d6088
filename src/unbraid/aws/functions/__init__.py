"""The functions of the deployment, one a file, each with its `handler`: a few lines over `unbraid.jobs.service`."""
