"""Numbers in words, as pictures and tables write them."""

from partnerlab.words import *  # noqa: F403
