"""Real faults against real processes, and after each the raw table compared with its source."""
