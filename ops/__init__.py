"""What an operator asks: does it add up, is it sound, what was set aside, publish that again."""
