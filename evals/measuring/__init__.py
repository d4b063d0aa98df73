"""Cases through the desk: graded, counted, bounded."""
