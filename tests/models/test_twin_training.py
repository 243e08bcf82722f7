"""A model and its PyTorch twin have the same losses over the first steps of training, on the same batches.

Two runs part slowly: the libraries add up in different orders, so weights differ by rounding errors, 6e-8 of them in
float32, and each step of SGD with momentum makes what differs larger, the more so where a ReLU is at its kink. Over 20
steps of models this small, at rates this low, that stays under 1e-4 of the loss, and in float64 under 1e-9. PyTorch's
own losses in float32 are as far from those in float64.
"""

import pytest
from twin_models import array, models, torch, twins

import gpudl

STEPS = 20
AGREEMENT = {"float32": 1e-4, "float64": 1e-9}
BATCHES = 4


def tensor(lib, values, model):
    """An array on a model's device, in its dtype if it is floating."""
    like = next(model.parameters())
    made = lib.tensor(values, device=like.device)
    return made.to(like.dtype) if values.dtype.kind == "f" else made


def cross_entropy(lib, model, x, y):
    return lib.nn.functional.cross_entropy(model(x), y)


def vae_bound(lib, model, x, noise):
    x = x.sigmoid()
    logits, mean, log_variance = model(x, noise)
    return models(lib, "autoencoder").vae_loss(logits, x, mean, log_variance)


def numbers(*shape):
    return lambda seed: array(*shape, seed=seed)


def labels(classes, *shape):
    return lambda seed: (array(*shape, seed=seed).argsort(None).reshape(shape) % classes).astype("int64")


# name -> (file, maker from the file, loss, its last two arguments for each seed, learning rate)
RUNS = {
    "LeNet5": ("lenet", lambda m: m.LeNet5(), cross_entropy, numbers(16, 1, 28, 28), labels(10, 16), 0.05),
    "resnet8": ("resnet", lambda m: m.resnet8(), cross_entropy, numbers(8, 3, 16, 16), labels(10, 8), 0.01),
    "UNet": ("unet", lambda m: m.UNet(3, 3, width=4), cross_entropy, numbers(2, 3, 48, 32), labels(3, 2, 48, 32), 0.01),
    "VAE": ("autoencoder", lambda m: m.VAE(64, 32, 4), vae_bound, numbers(16, 64), numbers(16, 4), 0.005),
}


def sgd(lib, model, lr):
    return lib.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)


@pytest.mark.parametrize("dtype", AGREEMENT)
@pytest.mark.parametrize("name", RUNS)
def test_first_losses_agree(device, name, dtype):
    file, maker, criterion, first, second, lr = RUNS[name]
    batches = [(first(seed), second(100 + seed)) for seed in range(BATCHES)]
    losses = []
    for lib, model in zip((gpudl, torch), twins(lambda lib: maker(models(lib, file)), device, dtype)):
        optimizer, found = sgd(lib, model, lr), []
        for step in range(STEPS):
            optimizer.zero_grad()
            loss = criterion(lib, model, *(tensor(lib, part, model) for part in batches[step % BATCHES]))
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], rel=AGREEMENT[dtype])
    assert sum(losses[0][-BATCHES:]) < 0.99 * sum(losses[0][:BATCHES])


@pytest.mark.parametrize("dtype", AGREEMENT)
def test_first_losses_of_adversaries_agree(device, dtype):
    """Both losses of a DCGAN, discriminator and generator in turn, with the same noise and images."""
    losses = []
    generators = twins(lambda lib: models(lib, "dcgan").Generator(6, 4, 1), device, dtype)
    discriminators = twins(lambda lib: models(lib, "dcgan").Discriminator(1, 4), device, dtype)
    for lib, generator, discriminator in zip((gpudl, torch), generators, discriminators):
        criterion = lib.nn.BCEWithLogitsLoss()
        for_generator, for_discriminator = (sgd(lib, model, 0.001) for model in (generator, discriminator))
        found = []
        for step in range(STEPS):
            real = tensor(lib, array(4, 1, 64, 64, seed=step % BATCHES), generator).tanh()
            fake = generator(tensor(lib, array(4, 6, 1, 1, seed=100 + step), generator))
            for_discriminator.zero_grad()
            verdicts = discriminator(real), discriminator(fake.detach())
            ones, zeros = lib.ones_like(verdicts[0]), lib.zeros_like(verdicts[1])
            loss = criterion(verdicts[0], ones) + criterion(verdicts[1], zeros)
            loss.backward()
            for_discriminator.step()
            for_generator.zero_grad()
            other = criterion(discriminator(fake), ones)
            other.backward()
            for_generator.step()
            found += [loss.item(), other.item()]
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], rel=AGREEMENT[dtype])
    assert losses[0][-2] < 0.9 * losses[0][0]
