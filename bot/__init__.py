"""Incident Desk: answers people affected by a security incident from the published post alone.

The desk selects published sentences; it never writes. What it is not sure of goes to a person.
"""
