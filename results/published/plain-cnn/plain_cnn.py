"""A plain CNN of six 3x3 convs for small images, as a first course on deep learning has it."""

from torch import Tensor, nn


class PlainCNN(nn.Module):
    """[B, in_channels, H, W] -> logits [B, num_classes]; 42,586 parameters with 10 classes and a per-channel norm."""

    def __init__(self, norm, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), norm(outputs), nn.ReLU(inplace=True)]

        self.features = nn.Sequential(
            *conv(in_channels, 16), *conv(16, 32), nn.MaxPool2d(2),
            *conv(32, 32), *conv(32, 32), nn.MaxPool2d(2),
            *conv(32, 32), *conv(32, 32), nn.AdaptiveAvgPool2d(1),
        )
        self.classifier = nn.Linear(32, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))
