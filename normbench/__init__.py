"""normbench: which normalization layer should a small network use, and is the difference real?"""

# Nothing is imported here: until `__main__` has its handler of Ctrl-C, Python ends with a traceback.

__version__ = "0.1.0"
