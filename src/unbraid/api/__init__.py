"""What the HTTP API says, whoever answers it: the web app of one machine, or functions in AWS."""
