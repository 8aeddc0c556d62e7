"""Layer norm of whole images with a weight and a bias for each element."""

from functools import cache

from normbench.kernels.op import LANES, NO_EPILOGUE, Epilogue, Op, TensorDesc
from normbench.kernels.ops.norm import IMAGE, norm_desc


@cache
def normalize_elements(x: TensorDesc, eps: float, epilogue: Epilogue = NO_EPILOGUE) -> Op | None:
    """y = dropout(relu(γ (x − μ) / sqrt(σ² + eps) + β)), with μ and the biased σ² of an image.

    γ and β are contiguous float32 [H, W, C], in the order of channels_last images. None unless C is a multiple of 16;
    and for dropout without ReLU.
    """
    num_images, num_channels, *_ = x.shape
    if num_channels % LANES or (epilogue.drop and not epilogue.relu):
        return None
    return Op(
        "element_norm",
        norm_desc(x, IMAGE, epilogue, eps),
        x,
        TensorDesc(x.shape, x.dtype),
        num_parameters=2,
        saved_bytes=4 * 2 * num_images,
        backward_reads_y=epilogue.relu,  # y is 0 where no gradient comes through
        reads_whole_batch=True,  # the gradients of γ and β are summed over images, element by element
    )
