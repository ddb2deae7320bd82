"""The whole system, through the commands that make runs."""
