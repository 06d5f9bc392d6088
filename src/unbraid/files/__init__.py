"""Write files and folders atomically, and put the system's errors into words. Loads nothing heavy."""
