"""Arrays to numbers: geometry, solvers, splits and statistics. Nothing here knows a model or a space."""
