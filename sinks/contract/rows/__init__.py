"""The rows of the contracts, as data: what is sent, what has to come back, and who says so."""
