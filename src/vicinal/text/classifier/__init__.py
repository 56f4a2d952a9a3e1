"""Classifiers of texts that mix while they train, and comparisons of ways to train them."""
