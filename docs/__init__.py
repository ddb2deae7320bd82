"""Further reading, and the programs that keep its figures, diagrams and PDF right."""
