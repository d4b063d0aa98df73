"""Finds secrets in prose, which are recognised only by the words around them."""
