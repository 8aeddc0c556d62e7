"""What a norm computes, learns and stores, on numbers small enough to check by hand.

A module answers one question with a frozen record of numbers. `present` prints and draws these records.
"""
