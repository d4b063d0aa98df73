"""What the desk runs on: durable jobs, the HTTP port, metrics, logs, supervision of threads."""
