"""Networks from outside of normbench: a user's class or function -> a network of MODEL_REGISTRY."""
