"""The article lake: daily files become events, then tables for people, then a picture."""
