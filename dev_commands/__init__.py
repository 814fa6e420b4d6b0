"""What `python3 dev.py` can do: set the project up on a laptop, run it, check it and test it.

Only the standard library is used here, because these modules run before anything is installed.
"""
