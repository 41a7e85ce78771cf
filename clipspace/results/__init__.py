"""Results: numbers beside their baselines, rows of images, and how they are saved and loaded."""
