"""Weight standardization: the filters of the convs are normalized instead of, or beside, what passes through."""

from torch import Tensor
from torch.nn import functional as F

from normbench.norms.conv import Conv2d

EPS = 1e-5


class StandardizedConv2d(Conv2d):
    """A conv whose filters have mean 0 and standard deviation 1 whenever they are used.

    ŵ_o = (w_o − μ_o) / sqrt(σ²_o + 1e-5), with μ and the biased σ² over the axes (C_in, K, K) of the filter bank
    w [C_out, C_in, K, K], one pair an output channel; the bias stays as it is. Gradients pass through both statistics.
    Learns and stores what `nn.Conv2d` does. A unit standard deviation, not one of 1 / sqrt(fan-in): the norm behind it
    takes the scale out again; without one (`none`, `dyt`) activations grow with each layer.
    Qiao, Wang, Liu, Shen & Yuille 2019, arXiv:1903.10520.
    """

    def filters(self) -> Tensor:
        """Standardized."""
        bank = self.weight.flatten(1)
        return F.layer_norm(bank, bank.shape[1:], eps=EPS).view_as(self.weight)
