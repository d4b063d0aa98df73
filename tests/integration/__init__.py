"""The desk with real servers, databases, processes and the real model."""
