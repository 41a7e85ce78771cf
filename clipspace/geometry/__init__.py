"""Geometry of a set of points: pure functions on arrays. `clipspace.probes.geometry` gathers them for `Embeddings`."""
