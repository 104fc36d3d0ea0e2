"""How far from the truth, with units."""
