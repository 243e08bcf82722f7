"""Datasets, and the loader that makes batches of them."""

from gpudl.data.collate import default_collate, default_convert
from gpudl.data.dataset import Dataset, TensorDataset
from gpudl.data.digits import Digits
from gpudl.data.download import DownloadError
from gpudl.data.idx import IdxError, read_idx, write_idx
from gpudl.data.loader import DataLoader
from gpudl.data.mnist import MNIST, FashionMNIST

__all__ = [
    "MNIST",
    "DataLoader",
    "Dataset",
    "Digits",
    "DownloadError",
    "FashionMNIST",
    "IdxError",
    "TensorDataset",
    "default_collate",
    "default_convert",
    "read_idx",
    "write_idx",
]
