"""`python -m tests.bench`: what an event costs, beside a bare callable and a naive app."""
