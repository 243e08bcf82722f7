"""Datasets, and the loader that makes batches of them."""

from gpudl.data.bpe import BPETokenizer
from gpudl.data.cifar import CIFAR10, CIFAR100
from gpudl.data.collate import default_collate, default_convert
from gpudl.data.combine import ChainDataset, ConcatDataset, Subset, random_split, stratified_split
from gpudl.data.csv_dataset import CSVDataset
from gpudl.data.csv_table import CSVError, CSVTable, read_csv
from gpudl.data.dataset import Dataset, IterableDataset, TensorDataset
from gpudl.data.digits import Digits
from gpudl.data.download import DownloadError
from gpudl.data.folder import DatasetFolder, ImageError, ImageFolder, pil_loader
from gpudl.data.idx import IdxError, read_idx, write_idx
from gpudl.data.loader import DataLoader
from gpudl.data.memmap import MemmapDataset
from gpudl.data.mnist import MNIST, FashionMNIST
from gpudl.data.padding import Padded, pad_collate
from gpudl.data.samplers import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from gpudl.data.stratified import StratifiedSampler
from gpudl.data.synthetic import (
    make_blobs,
    make_circles,
    make_classification,
    make_moons,
    make_regression,
    make_spirals,
)
from gpudl.data.text import TextDataset
from gpudl.data.tokenizers import ByteTokenizer, CharTokenizer
from gpudl.data.workers import WorkerError, WorkerInfo, get_worker_info

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "BPETokenizer",
    "BatchSampler",
    "ByteTokenizer",
    "CSVDataset",
    "CSVError",
    "CSVTable",
    "ChainDataset",
    "CharTokenizer",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DatasetFolder",
    "Digits",
    "DistributedSampler",
    "DownloadError",
    "FashionMNIST",
    "IdxError",
    "ImageError",
    "ImageFolder",
    "IterableDataset",
    "MemmapDataset",
    "Padded",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StratifiedSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "TextDataset",
    "WeightedRandomSampler",
    "WorkerError",
    "WorkerInfo",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "make_blobs",
    "make_circles",
    "make_classification",
    "make_moons",
    "make_regression",
    "make_spirals",
    "pad_collate",
    "pil_loader",
    "random_split",
    "read_csv",
    "read_idx",
    "stratified_split",
    "write_idx",
]
