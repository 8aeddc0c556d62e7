"""normbench: which normalization layer should a small network use, and is the difference real?"""

import logging

logging.getLogger("normbench").addHandler(logging.NullHandler())  # a library is silent until its user listens

__version__ = "0.1.0"
