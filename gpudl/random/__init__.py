"""Random numbers that depend on nothing but a seed, a purpose and an index: never on device, workers or call order."""

from gpudl.random.many import Streams
from gpudl.random.philox import Stream
from gpudl.random.seed import init_stream, initial_seed, manual_seed, sampling_stream, stream

__all__ = ["Stream", "Streams", "init_stream", "initial_seed", "manual_seed", "sampling_stream", "stream"]
