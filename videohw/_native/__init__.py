"""Declarations of foreign libraries for the compiled backends; nothing here runs in Python."""
