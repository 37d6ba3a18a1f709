"""Local counterparts of the other parties, for development and tests; never deployed."""
