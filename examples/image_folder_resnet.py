"""A ResNet on a folder of images, with one folder for each class: yours, or shapes that this program draws.

    python examples/image_folder_resnet.py --make-data shapes
    python examples/image_folder_resnet.py --data shapes [--device cuda] [--epochs 8] [--workers 2] [--seed 0]

--data FOLDER holds a folder for each class, named after it, with images of any size. A fifth of them is for testing.
--make-data FOLDER draws circles, squares, triangles and stars there, 150 of each. Progress goes to stderr, the result
to stdout.

Needs: gpudl[image]; a folder of images, yours or the one that --make-data draws.
"""

import argparse
import math
import random
import sys
from pathlib import Path

import gpudl
from gpudl import nn, optim
from gpudl.data import DataLoader, ImageError, ImageFolder, stratified_split
from gpudl.data.transforms import (
    CenterCrop,
    Compose,
    MapDataset,
    Normalize,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
)
from gpudl.models import resnet8
from gpudl.train import Trainer

SHAPES = {"circle": (60, 1.0), "square": (4, 1.0), "star": (10, 0.45), "triangle": (3, 1.0)}


def draw(folder, seed, count=150):
    """`count` images of each shape: colors, places, sizes and turns are drawn by lot.

    A shape is a polygon, every second corner of which is nearer to the center by a factor.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ImportError(f'drawing needs Pillow ({error}); install it: pip install "gpudl[image]"') from error

    lot = random.Random(seed)
    for name, (corners, factor) in SHAPES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            ground, color = (tuple(lot.randrange(low, low + 110) for _ in range(3)) for low in (0, 145))
            image = Image.new("RGB", (48, 48), ground)
            radius, turn = lot.uniform(14, 20), lot.uniform(-0.3, 0.3)
            x, y = lot.uniform(radius, 48 - radius), lot.uniform(radius, 48 - radius)
            points = []
            for corner in range(corners):
                angle, length = turn + 2 * math.pi * corner / corners, radius * (factor if corner % 2 else 1)
                points.append((x + length * math.cos(angle), y + length * math.sin(angle)))
            ImageDraw.Draw(image).polygon(points, fill=color)
            image.save(folder / name / f"{number:03}.png")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="with one folder for each class")
    parser.add_argument("--make-data", type=Path, metavar="FOLDER", help="draw images of shapes there, and end")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="passes over the data (default: %(default)s)")
    parser.add_argument("--size", type=int, default=32, help="rows and columns of its input (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes that load images (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    for name, least in (("epochs", 1), ("workers", 0), ("size", 1)):
        if getattr(args, name) < least:
            parser.error(f"--{name} must be at least {least}")
    try:
        device = gpudl.device(args.device)
        if args.make_data:
            draw(args.make_data, args.seed)
            print(f"{len(SHAPES)} shapes in {args.make_data}")
        elif args.data:
            print(f"test accuracy: {train(args, device):.4f}")
        else:
            raise FileNotFoundError("give a folder of images with --data, or have one drawn with --make-data")
    except (ImportError, OSError, ImageError, gpudl.DeviceError) as error:
        print(f"image_folder_resnet: {error}", file=sys.stderr)
        return 2
    return 0


def train(args, device):
    """Train on four fifths of the images; the accuracy on the others."""
    gpudl.manual_seed(args.seed)
    images = ImageFolder(args.data)
    if len(images) < 5:
        raise FileNotFoundError(f"{args.data} has {len(images)} images; a fifth is for testing, so give 5 or more")
    trainset, testset = stratified_split(images, [0.8, 0.2])
    normalize = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])  # of ImageNet's pixels
    augment = [RandomResizedCrop(args.size, scale=(0.8, 1)), RandomHorizontalFlip(), normalize]
    trainset = MapDataset(trainset, Compose(augment))
    testset = MapDataset(testset, Compose([Resize(args.size), CenterCrop(args.size), normalize]))

    # Files are read and transformed by workers while the device computes; the batches are the same for any number.
    loader = DataLoader(trainset, batch_size=16, shuffle=True, num_workers=args.workers)
    model = resnet8(num_classes=len(images.classes))  # for images of 224 x 224, try gpudl.models.resnet18
    optimizer = optim.AdamW(model.parameters(), lr=0.005)
    steps = args.epochs * len(loader)
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        metrics=["accuracy"],
        scheduler=optim.lr_scheduler.OneCycleLR(optimizer, 0.005, total_steps=steps),
        scheduler_interval="step",
        device=device,
    )
    testing = DataLoader(testset, batch_size=64, num_workers=args.workers)
    trainer.fit(loader, validation=testing, epochs=args.epochs)
    return trainer.evaluate(testing)["accuracy"]


if __name__ == "__main__":
    sys.exit(main())
