"""Write files and folders atomically, and describe the system's errors in plain words."""
