"""The mini space: the embedded default, its weights, and the scripts that made them."""
