"""What is learned from labelled messages, and what it shows on authors left out."""
