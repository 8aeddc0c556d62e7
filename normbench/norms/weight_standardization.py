"""Weight standardization: the filters of the convs are normalized, instead of the activations or beside them."""

from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-5


class StandardizedConv2d(nn.Conv2d):
    """A conv whose filters are scaled to mean 0 and standard deviation 1 in each forward pass.

    ŵ_o = (w_o − μ_o) / sqrt(σ²_o + 1e-5), with μ and the biased σ² over the axes (C_in, K, K) of the filter bank
    w [C_out, C_in, K, K], one pair an output channel; the bias is used as it is. Gradients pass through μ and σ.
    Learns and stores what `nn.Conv2d` does. The standard deviation is 1 and not 1 / sqrt(fan-in), because the norm
    after the conv divides by the scale anyway; without such a norm (`none`, `dyt`) activations grow with each layer.
    Qiao, Wang, Liu, Shen & Yuille 2019, arXiv:1903.10520.
    """

    def standardized(self) -> Tensor:
        """ŵ, contiguous [C_out, C_in, K, K]."""
        bank = self.weight.flatten(1)
        return F.layer_norm(bank, bank.shape[1:], eps=EPS).view(self.weight.shape)

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.standardized(), self.bias)
