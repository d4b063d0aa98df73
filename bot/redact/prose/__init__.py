"""Finds secrets in running text, which only the words around them give away."""
