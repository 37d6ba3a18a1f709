"""The table of models told to people and to Knative: pages about the streams, and EventTypes.

Made by `sinks streams` from `models.py`, `deployed.tsv` and `wikis.tsv`; no app imports it.
"""
