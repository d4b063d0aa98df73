"""Incident Desk: answers people affected by a security incident from the published post alone.

The desk selects published sentences; it never writes. What it is not sure of goes to a person.
"""

import os

# Before numpy is loaded: several threads that wait for each other in small products of matrices
# spin, and on a busy machine what takes a second takes a minute.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - set for numpy, never read
