"""Preprocessing and augmentation: of samples, of whole batches, and as layers of a model, by the same classes."""

from gpudl.data.transforms import functional
from gpudl.data.transforms.base import Transform
from gpudl.data.transforms.containers import Compose, Lambda, RandomApply, RandomChoice
from gpudl.data.transforms.convert import OneHot, ToDtype, ToImage
from gpudl.data.transforms.crops import CenterCrop, Pad, RandomCrop, RandomResizedCrop, Resize
from gpudl.data.transforms.dataset import MapDataset
from gpudl.data.transforms.erasing import Cutout, RandomErasing
from gpudl.data.transforms.jitter import ColorJitter, GaussianBlur, Grayscale
from gpudl.data.transforms.mixing import CutMix, MixUp
from gpudl.data.transforms.spatial import RandomAffine, RandomHorizontalFlip, RandomRotation, RandomVerticalFlip
from gpudl.data.transforms.statistics import Normalize, Standardize

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "CutMix",
    "Cutout",
    "GaussianBlur",
    "Grayscale",
    "Lambda",
    "MapDataset",
    "MixUp",
    "Normalize",
    "OneHot",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "Standardize",
    "ToDtype",
    "ToImage",
    "Transform",
    "functional",
]
