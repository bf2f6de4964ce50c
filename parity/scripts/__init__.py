"""Whole programs written for torch: run on both libraries and compared call by call, or read for the names they use."""
