"""What reaches terminals and logs."""
