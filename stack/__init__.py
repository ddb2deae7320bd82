"""Where the services run: private processes of this checkout, or containers."""
