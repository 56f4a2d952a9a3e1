"""Staged, chunked, resumable runs, on this machine or on Ray."""
