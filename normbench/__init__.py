"""normbench: which normalization layer should a small network use, and is the difference real?"""

__version__ = "0.1.0"
