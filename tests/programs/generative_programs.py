"""Training programs with several networks or random parts, as users of PyTorch write them."""

from ported import normal, uniform

STEPS = 15


def gan(lib, begin):
    """Two networks and two optimizers that take turns; the generator's samples are detached for the discriminator."""
    nn, optim = lib.nn, lib.optim

    def weights_init(m):
        classname = m.__class__.__name__
        if classname.find("Conv") != -1:
            nn.init.normal_(m.weight.data, 0.0, 0.02)
        elif classname.find("BatchNorm") != -1:
            nn.init.normal_(m.weight.data, 1.0, 0.02)
            nn.init.constant_(m.bias.data, 0)

    class Generator(nn.Module):
        def __init__(self, latent):
            super().__init__()
            self.main = nn.Sequential(
                nn.ConvTranspose2d(latent, 8, 4, 1, 0, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(True),
                nn.ConvTranspose2d(8, 1, 4, 2, 1, bias=False),
                nn.Tanh(),
            )

        def forward(self, z):
            return self.main(z)

    class Discriminator(nn.Module):
        def __init__(self):
            super().__init__()
            self.main = nn.Sequential(
                nn.Conv2d(1, 6, 4, 2, 1, bias=False),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(6, 1, 4, 1, 0, bias=False),
                nn.Sigmoid(),
            )

        def forward(self, x):
            return self.main(x).view(-1)

    netG, netD = Generator(5), Discriminator()
    netG.apply(weights_init)
    netD.apply(weights_init)
    begin(netG), begin(netD)
    criterion = nn.BCELoss()
    optimizerD = optim.Adam(netD.parameters(), lr=0.002, betas=(0.5, 0.999))
    optimizerG = optim.Adam(netG.parameters(), lr=0.002, betas=(0.5, 0.999))
    real = normal(lib, 4, 1, 8, 8).tanh()
    label = lib.full((4,), 1.0)
    losses = []
    for step in range(STEPS):
        netD.zero_grad()
        label.fill_(1.0)
        errD_real = criterion(netD(real), label)
        errD_real.backward()
        fake = netG(normal(lib, 4, 5, 1, 1, seed=step))
        label.fill_(0.0)
        output = netD(fake.detach())
        errD_fake = criterion(output, label)
        errD_fake.backward()
        errD = errD_real + errD_fake
        optimizerD.step()

        netG.zero_grad()
        label.fill_(1.0)
        errG = criterion(netD(fake), label)
        errG.backward()
        optimizerG.step()
        losses += [errD.item(), errG.item(), output.mean().item()]
    return losses, nn.ModuleDict({"generator": netG, "discriminator": netD})


def vae(lib, begin):
    """Reparametrization of given noise, and the divergence from the prior, warmed up."""
    nn, F, optim = lib.nn, lib.nn.functional, lib.optim

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 12)
            self.fc21 = nn.Linear(12, 3)
            self.fc22 = nn.Linear(12, 3)
            self.fc3 = nn.Linear(3, 12)
            self.fc4 = nn.Linear(12, 20)

        def encode(self, x):
            h1 = F.relu(self.fc1(x))
            return self.fc21(h1), self.fc22(h1)

        def reparameterize(self, mu, logvar, noise):
            std = lib.exp(0.5 * logvar)
            return mu + noise * std

        def decode(self, z):
            return lib.sigmoid(self.fc4(F.relu(self.fc3(z))))

        def forward(self, x, noise):
            mu, logvar = self.encode(x.view(-1, 20))
            z = self.reparameterize(mu, logvar, noise)
            return self.decode(z), mu, logvar

    model = begin(VAE())
    x = uniform(lib, 8, 4, 5)
    optimizer = optim.Adam(model.parameters(), lr=1e-2, amsgrad=True)
    warmup = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=5)
    decay = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[5])
    losses = []
    for step in range(STEPS):
        recon, mu, logvar = model(x, normal(lib, 8, 3, seed=step))
        bce = F.binary_cross_entropy(recon, x.view(-1, 20), reduction="sum")
        kld = -0.5 * lib.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = (bce + min(1.0, step / 10) * kld) / x.size(0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses += [loss.item(), kld.item(), optimizer.param_groups[0]["lr"]]
    return losses, model


def normalized_weights(lib, begin):
    """Weight and spectral normalization as parametrizations, and a gradient penalty through a second derivative."""
    nn, optim = lib.nn, lib.optim
    weight_norm, spectral_norm = nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = weight_norm(nn.Conv1d(2, 6, 3, padding=1))
            self.fc1 = spectral_norm(nn.Linear(48, 10))
            self.fc2 = nn.Linear(10, 1)

        def forward(self, x):
            h = nn.functional.softplus(self.conv(x))
            return self.fc2(nn.functional.silu(self.fc1(h.flatten(1)))).squeeze(-1)

    critic = begin(Critic())
    assert nn.utils.parametrize.is_parametrized(critic.conv, "weight")
    optimizer = optim.Adam(critic.parameters(), lr=1e-2, betas=(0.0, 0.9))
    real = normal(lib, 5, 2, 8)
    losses = []
    for step in range(STEPS):
        fake = normal(lib, 5, 2, 8, seed=step + 1)
        alpha = uniform(lib, 5, 1, 1, seed=step)
        mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
        score = critic(mixed)
        (gradients,) = lib.autograd.grad(
            outputs=score, inputs=mixed, grad_outputs=lib.ones_like(score), create_graph=True, retain_graph=True
        )
        penalty = ((gradients.reshape(5, -1).norm(2, dim=1) - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), penalty.item()]
    return losses, critic
