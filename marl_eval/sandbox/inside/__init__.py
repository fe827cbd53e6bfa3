"""What runs on the untrusted side: the fork server and its children.

Only the standard library may be imported here, for the server is started without site packages, and
nothing here may ever hold an expected value. ``plain`` is used by the trusted side too.
"""
