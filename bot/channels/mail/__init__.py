"""The incident mailbox: bytes in, bytes out."""
