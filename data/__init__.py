"""Samples of every feed, and the seeded generator that makes them."""
