"""What the business asks about the web site, answered from all raw events."""
