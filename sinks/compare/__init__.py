"""Comparing what today's model servers published with what our sinks did, while moving over."""
