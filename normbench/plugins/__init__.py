"""Code from outside of normbench, which a user brings by naming it: norms and networks.

It is imported only because a command or a config names it, and never because of a file that normbench reads.
"""
