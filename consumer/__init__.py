"""Messages become rows of raw tables."""
