"""What commands that measure have in common: how they stop, how they judge, and how figures come onto a page."""
