"""The application in its own AWS account, end to end: its template, its functions and its container, over HTTP."""
