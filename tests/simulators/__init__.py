"""Simulators of the AWS services that the application uses. README.md lists what they assume about AWS."""
