"""One vendor, one file."""
