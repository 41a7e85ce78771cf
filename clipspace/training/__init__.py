"""Training of decoders: for the vectors of any store, a diffusion decoder that `load_space` takes as ``decoder=``."""
