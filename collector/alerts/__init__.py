"""Which violations somebody must hear of at once, and getting word to them."""
