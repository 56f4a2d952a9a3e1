"""The studio: a page on this machine to try the package with a table or two sentences."""
