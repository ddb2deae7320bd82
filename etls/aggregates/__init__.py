"""One row a user from files of any size: the top category, and the longest streak of days."""
