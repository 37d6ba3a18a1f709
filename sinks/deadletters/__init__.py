"""`sinks deadletters`: commands on what failed for good. No app loads this."""
