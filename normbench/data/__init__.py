"""Data: a source -> uint8 image tensors and labels; augmentation; batches from explicit random streams."""
