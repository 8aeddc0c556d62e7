"""PyTorch's optimizers without PyTorch's compiler, which they import though nothing is compiled."""

from inspect import unwrap

from torch import optim


class Light(optim.Optimizer):
    """The base class of an optimizer that does not import `torch._dynamo`: 150 MiB less, and a second.

    PyTorch hides these methods from its compiler by a decorator that imports it in the first call. Without the
    decorator they do the same; the compiler would look into them if somebody compiled an optimizer.
    """

    add_param_group = unwrap(optim.Optimizer.add_param_group)
    state_dict = unwrap(optim.Optimizer.state_dict)
    load_state_dict = unwrap(optim.Optimizer.load_state_dict)
    zero_grad = unwrap(optim.Optimizer.zero_grad)
