"""The spool: what waits for the store, in files that outlive the process.

A process writes its own folder under the spool's root, and holds a lock on it for
as long as it lives. Whoever can take the lock may take over what is there.
"""
