"""How fast the product is, as ratios measured in one run: `make bench`."""
