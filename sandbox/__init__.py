"""Epic, Microsoft 365 and a phone network on a laptop: for development and tests, never deployed."""
