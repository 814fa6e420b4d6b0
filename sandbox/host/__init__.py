"""The built-in Functions host: runs the product on one computer without Azure and without Core Tools."""
