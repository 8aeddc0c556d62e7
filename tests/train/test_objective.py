"""What the logits of a training step are held against."""

import torch

from normbench.train.objective import correct


def test_the_largest_logit_counts_against_the_class_or_the_one_with_the_largest_share() -> None:
    logits = torch.tensor([[[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    classes = torch.tensor([[1, 2], [2, 1]])
    shares = torch.tensor([[[0.0, 0.6, 0.4], [0.4, 0.0, 0.6]], [[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]]])
    for labels in (classes, shares):
        assert correct(logits, labels).tolist() == [[True, False], [True, True]]
