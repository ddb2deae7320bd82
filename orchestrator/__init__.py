"""Dagster over the ETLs: when they run, what they wait for, what to do when they fail. No logic."""
