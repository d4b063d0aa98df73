"""Runs cases through the desk, grades and counts them, and computes bounds."""
