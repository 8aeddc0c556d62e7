"""Augmentations of uint8 images [B, C, H, W] of any size, with 1 or 3 channels. Each is an entry of the registry."""
