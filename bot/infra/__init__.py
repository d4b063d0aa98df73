"""The infrastructure of the desk: jobs, HTTP port, metrics, logs, supervision of threads."""
