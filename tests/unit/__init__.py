"""Tests that need no services."""
