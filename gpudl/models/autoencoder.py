"""Autoencoders: plain (Hinton & Salakhutdinov 2006) and variational (Kingma & Welling 2013)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import gpudl
from gpudl import Tensor, nn
from gpudl.nn import functional as F

__all__ = ["VAE", "Autoencoder", "vae_loss"]


class Autoencoder(nn.Module):
    """Layers to a short code, and layers of the same lengths back.

    Code and output are linear: train with MSELoss, or, where inputs are in [0, 1], with BCEWithLogitsLoss. The paper's
    hidden units are logistic, which need pretraining; these are rectified, which do not.

    Args:
        features: of the input, of each hidden layer, and of the code; at least 2.
    Shape: (*, features[0]) to the same.
    Attributes:
        encoder: (*, features[0]) to (*, features[-1]), and decoder: back.
    Parameters: 2,837,314, for the features of the paper's network of digits.
    Raises: ValueError for fewer than 2 features.
    Source: Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks".
    """

    def __init__(self, features: Sequence[int] = (784, 1000, 500, 250, 30)) -> None:
        super().__init__()
        if len(features) < 2:
            raise ValueError(f"Autoencoder: features must be those of the input and of the code, got {features}")
        self.encoder = _layers(features)
        self.decoder = _layers(features[::-1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.decoder(self.encoder(x))
        return x


def _layers(features: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(features):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    """An autoencoder whose code is drawn from a normal distribution, the mean and variance of which are encoded.

    z = mean + exp(log_variance / 2) * noise

    Args:
        in_features: of the input.
        hidden_features: of the one hidden layer of encoder and decoder, which is tanh, as in the paper.
        latent_features: of the code.
    Shape: (n, in_features), and the noise (n, latent_features), to logits (n, in_features), mean and log_variance
        (n, latent_features).
    Attributes:
        encoder: (n, in_features) to (n, hidden_features); mean, log_variance: from there to (n, latent_features).
        decoder: (n, latent_features) to (n, in_features), the logits of Bernoulli distributions.
    Parameters: 815,824 for the default features.
    Source: Kingma & Welling 2013, arXiv:1312.6114, appendix C.
    """

    def __init__(self, in_features: int = 784, hidden_features: int = 500, latent_features: int = 20) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(in_features, hidden_features), nn.Tanh())
        self.mean = nn.Linear(hidden_features, latent_features)
        self.log_variance = nn.Linear(hidden_features, latent_features)
        self.decoder = nn.Sequential(
            nn.Linear(latent_features, hidden_features), nn.Tanh(), nn.Linear(hidden_features, in_features)
        )

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the reconstruction, and mean and logarithm of the variance of the code.

        Args:
            x: the input.
            noise: normal numbers; drawn if not given. Zeros give the reconstruction from the mean.
        """
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        if noise is None:
            noise = gpudl.randn_like(mean)
        logits = self.decoder(mean + (log_variance / 2).exp() * noise)
        return logits, mean, log_variance


def vae_loss(logits: Tensor, input: Tensor, mean: Tensor, log_variance: Tensor, beta: float = 1.0) -> Tensor:
    """The negative evidence lower bound, in nats for each sample of the batch.

    Cross-entropy of the input under the reconstruction, plus beta times the divergence of the code's distribution from
    the standard normal, sum((mean**2 + variance - log(variance) - 1) / 2).

    Args:
        logits, mean, log_variance: what VAE gives for the input.
        input: (n, in_features), in [0, 1].
        beta: weight of the divergence; 1 for the bound itself, more for codes whose parts are independent.
    Shape: to ().
    Source: Kingma & Welling 2013, arXiv:1312.6114, appendix B; beta: Higgins et al. 2017, "beta-VAE".
    """
    reconstruction = F.binary_cross_entropy_with_logits(logits, input, reduction="sum")
    divergence = (mean**2 + log_variance.exp() - log_variance - 1).sum() / 2
    return (reconstruction + beta * divergence) / input.shape[0]
