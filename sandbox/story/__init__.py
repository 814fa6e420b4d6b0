"""Plays one video visit through the running product and says what was observed from outside."""
