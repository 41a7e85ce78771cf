"""Sets of embeddings: their vectors, the stamp of their space, and arithmetic on the sphere; the store on disk."""
