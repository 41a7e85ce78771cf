"""Pages to read: figures with their numbers and provenance, and a map to wander through, offline."""
