"""Secrets in running text: passwords, codes and keys that only the words around them give away."""
