"""Why an event goes where it goes, by the router and the rows themselves, and nobody is asked.

Plain values in, an `Entry` and a `Verdict` of each Trigger out: `sinks explain` shows them to
people, an app could too.
"""
