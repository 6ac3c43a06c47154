"""Who may come in, and for how long."""
