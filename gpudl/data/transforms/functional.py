"""The transforms as functions, of images and batches, with numbers of each image's own where they take some."""

from gpudl.data.transforms.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    gaussian_blur,
    rgb_to_grayscale,
)
from gpudl.data.transforms.convert import to_dtype, to_image
from gpudl.data.transforms.erasing import erase
from gpudl.data.transforms.geometry import (
    center_crop,
    crop,
    horizontal_flip,
    pad,
    resize,
    resized_crop,
    vertical_flip,
)
from gpudl.data.transforms.warp import affine, rotate

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "affine",
    "center_crop",
    "crop",
    "erase",
    "gaussian_blur",
    "horizontal_flip",
    "pad",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "to_dtype",
    "to_image",
    "vertical_flip",
]
