"""Incident Desk: answers people affected by a security incident from the published post alone.

The desk selects published sentences; it never writes. What it is not sure of goes to a person.
"""

import os

# Must be set before numpy is loaded. OpenBLAS threads spin while they wait for each other, so that
# small matrix products that take a second take a minute on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - set for numpy, never read
