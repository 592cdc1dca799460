"""What every session stands on: its queues, waits, order and end, whoever does the work."""
