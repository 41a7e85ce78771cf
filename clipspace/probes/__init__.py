"""Probes: one question each, with what chance is."""
