"""Finished runs -> the files of other tools: tables of all epochs, TensorBoard."""
