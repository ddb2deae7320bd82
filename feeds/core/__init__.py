"""The machinery behind every feed: how one is declared, read, validated and identified."""
