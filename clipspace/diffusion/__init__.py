"""Sampling a decoder and inverting it: torch only, no model of any library."""
