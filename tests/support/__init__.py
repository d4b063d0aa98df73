"""Helpers of the tests: desks, fault points, planted secrets, waiting, growth."""
