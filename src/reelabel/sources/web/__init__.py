"""Fetches files over HTTP, politely: one client, its limits, and the closed list of outcomes."""
