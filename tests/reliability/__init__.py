"""The proof: load, faults and malice, each as a command that ends with figures for docs/reliability.md."""
