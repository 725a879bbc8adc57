"""Effects of what was not dealt by chance: designs, weights, and what would overturn them."""
