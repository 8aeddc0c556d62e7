"""A norm factory -> the network; its summary and its parameter budget."""
