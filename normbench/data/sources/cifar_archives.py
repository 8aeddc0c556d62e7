"""The official archives of CIFAR-10 and CIFAR-100, in the Python and the binary version.

Addresses and MD5s: https://www.cs.toronto.edu/~kriz/cifar.html. They are written down here, because torchvision, which
knows those of the Python versions, takes seconds to import. A test compares them.
"""

from dataclasses import replace
from functools import partial

from normbench.data.sources import cifar_binary, cifar_pickle
from normbench.data.sources.cifar_files import Archive

_ADDRESS = "https://www.cs.toronto.edu/~kriz"

_CIFAR10_PYTHON = Archive(
    title="CIFAR-10",
    url=f"{_ADDRESS}/cifar-10-python.tar.gz",
    filename="cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    size=170_498_071,
    folder="cifar-10-batches-py",
    train_files={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test_files={"test_batch": "40351d587109b95175f43aff81a1287e"},
    names_file=("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
    read_batch=partial(cifar_pickle.read_batch, labels=b"labels"),
    read_names=partial(cifar_pickle.read_names, key=b"label_names"),
)
_CIFAR10_BINARY = Archive(
    title="CIFAR-10",
    url=f"{_ADDRESS}/cifar-10-binary.tar.gz",
    filename="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    size=170_052_171,
    folder="cifar-10-batches-bin",
    train_files={f"data_batch_{number}.bin": None for number in range(1, 6)},
    test_files={"test_batch.bin": None},
    names_file=("batches.meta.txt", None),
    read_batch=partial(cifar_binary.read_batch, num_labels=1, label=0),
    read_names=cifar_binary.read_names,
    num_images=(50_000, 10_000),
)
_CIFAR100_PYTHON = Archive(
    title="CIFAR-100",
    url=f"{_ADDRESS}/cifar-100-python.tar.gz",
    filename="cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    size=169_001_437,
    folder="cifar-100-python",
    train_files={"train": "16019d7e3df5f24257cddd939b257f8d"},
    test_files={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    names_file=("meta", "7973b15100ade9c7d40fb424638fde48"),
    read_batch=partial(cifar_pickle.read_batch, labels=b"fine_labels"),
    read_names=partial(cifar_pickle.read_names, key=b"fine_label_names"),
)
_CIFAR100_BINARY = Archive(
    title="CIFAR-100",
    url=f"{_ADDRESS}/cifar-100-binary.tar.gz",
    filename="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    size=168_513_733,
    folder="cifar-100-binary",
    train_files={"train.bin": None},
    test_files={"test.bin": None},
    names_file=("fine_label_names.txt", None),
    read_batch=partial(cifar_binary.read_batch, num_labels=2, label=1),
    read_names=cifar_binary.read_names,
    num_images=(50_000, 10_000),
)

CIFAR10 = (_CIFAR10_PYTHON, _CIFAR10_BINARY)
"""The Python version, which is downloaded, and the binary version, which is read where it is found."""
CIFAR100 = (_CIFAR100_PYTHON, _CIFAR100_BINARY)
CIFAR100_COARSE = (
    replace(
        _CIFAR100_PYTHON,
        read_batch=partial(cifar_pickle.read_batch, labels=b"coarse_labels"),
        read_names=partial(cifar_pickle.read_names, key=b"coarse_label_names"),
    ),
    replace(
        _CIFAR100_BINARY,
        names_file=("coarse_label_names.txt", None),
        read_batch=partial(cifar_binary.read_batch, num_labels=2, label=0),
    ),
)
