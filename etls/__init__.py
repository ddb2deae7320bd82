"""Raw tables become dimensions and reports."""
