"""A variational autoencoder on MNIST: a loss of one's own, and digits that nobody wrote.

    python examples/vae.py --data DIR [--download] [--device cuda] [--epochs 15] [--seed 0] [--out runs/vae]

DIR holds the four IDX files (train-images-idx3-ubyte and so on, plain or .gz); --download puts them there. The folder
--out gets a picture of new digits, samples.png (or samples.txt, where Pillow is not installed).
Progress goes to stderr, the result to stdout: a lower bound of the log-probability of a test image, in nats.

Needs: MNIST; gpudl[image] for a picture in PNG.
"""

import argparse
import sys
from pathlib import Path

import gpudl
from gpudl import optim
from gpudl.data import MNIST, DataLoader, DownloadError, IdxError
from gpudl.models import VAE, vae_loss


def negative_elbo(model, images):
    # The bound is one of a probability only for pixels that are 0 or 1: each gray value is the chance of a 1.
    pixels = gpudl.bernoulli(images)
    logits, mean, log_variance = model(pixels)
    return vae_loss(logits, pixels, mean, log_variance)


def train(model, loader, epochs, device):
    optimizer = optim.Adam(model.parameters(), lr=0.002)
    for epoch in range(epochs):
        total = gpudl.zeros((), device=device)
        for images, _ in loader:
            loss = negative_elbo(model, images.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()  # stays on the device: .item() would wait for every step
        print(f"epoch {epoch + 1}: ELBO {-total.item() / len(loader):.2f}", file=sys.stderr)


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
    parser.add_argument("--epochs", type=int, default=15, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/vae"), help="for the picture (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")

    try:
        device = gpudl.device(args.device)
        trainset = MNIST(args.data, train=True, download=args.download, flatten=True)
        testset = MNIST(args.data, train=False, flatten=True)
        args.out.mkdir(parents=True, exist_ok=True)
        gpudl.manual_seed(args.seed)
        model = VAE(in_features=784, hidden_features=500, latent_features=10).to(device)
    except (OSError, DownloadError, IdxError, gpudl.DeviceError) as error:
        print(f"vae: {error}", file=sys.stderr)
        return 2
    train(model, DataLoader(trainset, batch_size=50, shuffle=True), args.epochs, device)

    with gpudl.no_grad():
        ((images, _),) = DataLoader(testset, batch_size=len(testset))
        elbo = -negative_elbo(model, images.to(device)).item()
        codes = gpudl.randn(64, 10, device=device)  # the codes are trained to be like these: so these give digits
        path = save_picture(model.decoder(codes).sigmoid(), args.out)
    print(f"wrote {path}", file=sys.stderr)
    print(f"test ELBO: {elbo:.2f} nats per image")
    return 0


if __name__ == "__main__":
    sys.exit(main())
