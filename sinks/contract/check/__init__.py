"""Checking a payload, without sending it anywhere."""
