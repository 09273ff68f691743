"""What `pumprig spec` does with files: captures, lock files, runs."""
