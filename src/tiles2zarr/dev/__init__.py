"""For the people who work on this package: the list of its Fractal tasks."""
