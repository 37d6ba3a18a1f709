"""Why an event goes where it goes, by the router and the rows themselves, and nobody is asked.

Plain values in, an `Explanation` out: `sinks explain` shows one to people, an app could too.
"""
