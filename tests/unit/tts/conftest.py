from tests.leftovers import nothing_left

__all__ = ["nothing_left"]
