"""What a norm computes, learns and stores, on numbers one can check by hand. Pure numbers; `present` shows them."""
