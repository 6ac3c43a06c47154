"""The weights: which exist, and the store that fetches and verifies them."""
