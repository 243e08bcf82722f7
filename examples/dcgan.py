"""A DCGAN on MNIST: two networks and two optimizers in one plain loop. Radford, Metz & Chintala 2015.

    python examples/dcgan.py --data DIR [--download] [--device cuda] [--epochs 10] [--seed 0] [--out runs/dcgan]

DIR holds the four IDX files (train-images-idx3-ubyte and so on, plain or .gz); --download puts them there. The folder
--out gets a picture of new digits, samples.png (or samples.txt, where Pillow is not installed).

Losses of a GAN do not say how good its pictures are. So a LeNet that was trained on the real digits looks at them: the
inception score is 1 for pictures that are all alike or of nothing, and 10 for clear digits, of every class as many.
Progress goes to stderr, the result to stdout.

Needs: MNIST; gpudl[image] for a picture in PNG.
"""

import argparse
import sys
from pathlib import Path

import gpudl
from gpudl import nn, optim
from gpudl.data import MNIST, DataLoader, DownloadError, IdxError
from gpudl.models import LeNet5

NOISE = 64


def networks():
    """Small ones for 28 x 28 pixels; gpudl.models has the paper's, for 64 x 64."""
    generator = nn.Sequential(
        nn.Linear(NOISE, 48 * 7 * 7, bias=False), nn.Unflatten(1, (48, 7, 7)), nn.BatchNorm2d(48), nn.ReLU(),
        nn.ConvTranspose2d(48, 24, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        nn.ConvTranspose2d(24, 1, 4, stride=2, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 24, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(24, 48, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(48), nn.LeakyReLU(0.2),
        nn.Conv2d(48, 1, 7), nn.Flatten(0),
    )  # fmt: skip
    for module in (*generator, *discriminator):
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
    return generator, discriminator


def train(generator, discriminator, loader, epochs, device):
    criterion = nn.BCEWithLogitsLoss()
    optimizer_d = optim.Adam(discriminator.parameters(), lr=0.0002, betas=(0.5, 0.999))
    optimizer_g = optim.Adam(generator.parameters(), lr=0.0005, betas=(0.5, 0.999))
    for epoch in range(epochs):
        totals = gpudl.zeros(2, device=device)
        for images, _ in loader:
            real = images.to(device)
            fake = generator(gpudl.randn(len(real), NOISE, device=device))
            ones, zeros = gpudl.ones(len(real), device=device), gpudl.zeros(len(real), device=device)

            # The discriminator learns to tell them apart; detach keeps its loss out of the generator.
            loss_d = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
            optimizer_d.zero_grad()
            loss_d.backward()
            optimizer_d.step()

            # The generator learns to be taken for real.
            loss_g = criterion(discriminator(fake), ones)
            optimizer_g.zero_grad()
            loss_g.backward()
            optimizer_g.step()
            totals += gpudl.stack([loss_d.detach(), loss_g.detach()])
        loss_d, loss_g = (totals / len(loader)).tolist()
        print(f"epoch {epoch + 1}: discriminator loss {loss_d:.4f}, generator loss {loss_g:.4f}", file=sys.stderr)


def trained_judge(loader, device):
    judge = LeNet5().to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(judge.parameters(), lr=0.002)
    for _ in range(5):
        for images, labels in loader:
            loss = criterion(judge(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return judge


def inception_score(judge, images):
    """exp(mean of KL(p(class | image) || p(class))). Salimans et al. 2016, arXiv:1606.03498."""
    p = judge(images).softmax(1)
    return (p * ((p + 1e-8).log() - (p.mean(0) + 1e-8).log())).sum(1).mean().exp().item()


def save_picture(images, folder):
    """Write images (64, 28, 28) in [0, 1] as a square of 8 x 8; give the path."""
    pixels = images.reshape(8, 8, 28, 28).transpose(1, 2).reshape(224, 224).cpu().numpy()
    try:
        from PIL import Image
    except ImportError:
        path = folder / "samples.txt"  # two rows of pixels become one of characters, which are about twice as high
        path.write_text("\n".join("".join(" .:-=+*#%@"[int(p * 9.99)] for p in row) for row in pixels[::2]) + "\n")
    else:
        path = folder / "samples.png"
        Image.fromarray((pixels * 255).astype("uint8")).resize((672, 672)).save(path)
    return path


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data", metavar="DIR", help="folder of the IDX files (default: %(default)s)")
    parser.add_argument("--download", action="store_true", help="fetch the files that are missing")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/dcgan"), help="for the picture (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")

    try:
        device = gpudl.device(args.device)
        trainset = MNIST(args.data, train=True, download=args.download)
        testset = MNIST(args.data, train=False)
        args.out.mkdir(parents=True, exist_ok=True)
        gpudl.manual_seed(args.seed)
        generator, discriminator = (network.to(device) for network in networks())
    except (OSError, DownloadError, IdxError, gpudl.DeviceError) as error:
        print(f"dcgan: {error}", file=sys.stderr)
        return 2
    loader = DataLoader(trainset, batch_size=64, shuffle=True)
    train(generator, discriminator, loader, args.epochs, device)

    judge = trained_judge(loader, device)
    generator.eval()
    with gpudl.no_grad():
        fake = generator(gpudl.randn(len(testset), NOISE, device=device))
        ((real, _),) = DataLoader(testset, batch_size=len(testset))
        scores = inception_score(judge, fake), inception_score(judge, real.to(device))
    print(f"wrote {save_picture(fake[:64], args.out)}", file=sys.stderr)
    print("inception score: {:.2f} of 10 (real digits {:.2f})".format(*scores))
    return 0


if __name__ == "__main__":
    sys.exit(main())
