"""Provides the infrastructure: jobs, HTTP port, metrics, logs, supervision of threads."""
