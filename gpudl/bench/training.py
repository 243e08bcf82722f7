"""A step of training as cases measure it: the whole at once, and forward, backward and the optimizer's step apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.bench.case import Make, Part, Parts


class Training:
    """A network that Adam trains. Gradients are dropped before each step.

    Args:
        make: the maker of its inputs.
        model: gives outputs, or several of which the first counts.
        inputs, target: a batch, on which it is trained again and again.
        loss: of outputs and a target; cross-entropy of classes, of every sample or of every token, if not given.
    """

    def __init__(self, make: Make, model: Any, inputs: Any, target: Any, loss: Callable[[Any, Any], Any] | None = None):
        self.model, self.inputs, self.target = make.module(model), inputs, target
        self.place, self._functional = make.place, make.lib.nn.functional
        self._loss = loss or self._cross_entropy
        self.optimizer = make.lib.optim.Adam(self.model.parameters(), lr=1e-4)

    def _cross_entropy(self, output: Any, target: Any) -> Any:
        return self._functional.cross_entropy(output.flatten(0, -2), target)

    def forward(self, inputs: Any, target: Any) -> Any:
        """The loss."""
        output = self.model(inputs)
        return self._loss(output[0] if isinstance(output, tuple) else output, target)

    def step(self, inputs: Any, target: Any) -> None:
        """A step of training on a batch."""
        self.optimizer.zero_grad()
        self.forward(inputs, target).backward()
        self.optimizer.step()

    def whole(self) -> None:
        """A step on the batch that stays."""
        self.step(self.inputs, self.target)

    def parts(self) -> Parts:
        """The whole, and its parts, of which backward holds the results of one forward."""
        self.whole()  # from which the parameters have gradients
        loss = self.forward(self.inputs, self.target)

        def backward() -> None:
            self.optimizer.zero_grad()
            loss.backward(retain_graph=True)

        return {
            "forward": Part(lambda: self.forward(self.inputs, self.target)),
            "backward": Part(backward),
            "step": Part(self.optimizer.step),
            "whole": Part(self.whole, items=self.inputs.shape[0]),
        }


class Adversaries:
    """A generator and a discriminator, trained in turn as in PyTorch's example of DCGAN.

    Args:
        make: the maker of the inputs.
        generator: makes pictures of noise.
        discriminator: gives a number for each picture.
        noise, real: batches.
    """

    def __init__(self, make: Make, generator: Any, discriminator: Any, noise: Any, real: Any):
        lib = make.lib
        self.generator, self.discriminator = make.module(generator), make.module(discriminator)
        self.noise, self.real = noise, real
        self._drawing, self._judging = (
            lib.optim.Adam(each.parameters(), lr=1e-4, betas=(0.5, 0.999))
            for each in (self.generator, self.discriminator)
        )
        named = {"device": make.place, "dtype": make.dtype}
        self._ones, self._zeros = lib.ones(real.shape[0], **named), lib.zeros(real.shape[0], **named)
        self._loss = lib.nn.functional.binary_cross_entropy_with_logits

    def _judge(self, fake: Any) -> None:
        self._judging.zero_grad()
        self._loss(self.discriminator(self.real), self._ones).backward()
        self._loss(self.discriminator(fake.detach()), self._zeros).backward()
        self._judging.step()

    def _draw(self, fake: Any) -> None:
        self._drawing.zero_grad()
        self._loss(self.discriminator(fake), self._ones).backward()
        self._drawing.step()

    def whole(self) -> None:
        """A step of both."""
        fake = self.generator(self.noise)
        self._judge(fake)
        self._draw(fake)

    def parts(self) -> Parts:
        """The whole, and the step of each."""
        self.whole()
        kept = self.generator(self.noise).detach()
        return {
            "discriminator": Part(lambda: self._judge(kept)),
            "generator": Part(lambda: self._draw(self.generator(self.noise))),
            "whole": Part(self.whole, items=self.real.shape[0]),
        }
