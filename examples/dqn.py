"""A deep Q-network that learns to act, on a gridworld or balancing a pole, both written out below.

    python examples/dqn.py [--env gridworld|cartpole] [--device cuda] [--epochs 12] [--seed 0]

An epoch is 1,000 steps of the environment. The network learns from a memory of past steps, towards the values that a
second, slower network (Mnih et al. 2015) gives to the actions that the first prefers (van Hasselt et al. 2016).
Progress goes to stderr, the result to stdout: the mean return over 20 episodes without exploration.
"""

import argparse
import copy
import sys

import numpy as np

import gpudl
from gpudl import nn, optim

COPIES, BATCH, EPISODES, REFRESH = 8, 64, 20, 25


class GridWorld:
    """Walk to G (+1) around the walls (#) and not into a pit (P: -1), from anywhere; every step costs 0.02."""

    plan = ("...#..G",
            ".#...#P",
            ".#P#...",
            "...#.#.",
            ".#.....")  # fmt: skip
    moves = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
    features, actions, limit = 35, 4, 50
    discount, exploring, epochs, lr, unit = 0.95, 0.7, 12, 0.001, 1.0

    def __init__(self):
        self.cells = np.array([list(row) for row in self.plan])
        self.free = np.argwhere(self.cells == ".")

    def start(self, count, draws):
        return self.free[draws.integers(0, len(self.free), count)]

    def observe(self, places):
        return np.eye(self.features, dtype=np.float32)[places @ (self.cells.shape[1], 1)]

    def step(self, places, actions):
        """The next places, the rewards, and which episodes have ended."""
        wanted = np.clip(places + self.moves[actions], 0, np.array(self.cells.shape) - 1)
        blocked = self.cells[tuple(wanted.T)] == "#"
        places = np.where(blocked[:, None], places, wanted)
        cells = self.cells[tuple(places.T)]
        return places, (cells == "G") * 1.0 - (cells == "P") - 0.02, (cells == "G") | (cells == "P")


class CartPole:
    """Push a cart left or right so that its pole stays up; every step gives 1, and there are 500 at most.

    The equations are those of Barto, Sutton and Anderson 1983, without friction. A state is the cart's place (m) and
    speed, the pole's angle (rad) and its speed.
    """

    features, actions, limit = 4, 2, 500
    # Returns reach 500: in a unit of ten, what the network has to tell is nearer to what it says at the start.
    discount, exploring, epochs, lr, unit = 0.99, 0.3, 40, 0.002, 0.1
    gravity, cart, pole, half_length, force, seconds = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def start(self, count, draws):
        return draws.uniform((count, 4), -0.05, 0.05)

    def observe(self, states):
        return (states * (1, 1, 10, 2)).astype(np.float32)  # as large as each other

    def step(self, states, actions):
        """The next states, the rewards, and which poles have fallen."""
        _, speed, angle, turning = states.T
        sine, cosine, mass = np.sin(angle), np.cos(angle), self.cart + self.pole
        push = (
            np.where(actions == 1, self.force, -self.force) + self.pole * self.half_length * turning**2 * sine
        ) / mass
        turn = (self.gravity * sine - cosine * push) / (self.half_length * (4 / 3 - self.pole * cosine**2 / mass))
        pull = push - self.pole * self.half_length * turn * cosine / mass
        states = states + self.seconds * np.stack([speed, pull, turning, turn], axis=1)
        return states, np.ones(len(states)), (abs(states[:, 0]) > 2.4) | (abs(states[:, 2]) > np.radians(12))


class Memory:
    """The last steps taken, in arrays that are filled again from the front when they are full."""

    def __init__(self, size, features):
        self.arrays = [
            np.zeros((size, *shape), dtype)
            for shape, dtype in (((features,), "f4"), ((1,), "i8"), ((), "f4"), ((features,), "f4"), ((), "f4"))
        ]
        self.seen = 0

    def add(self, *columns):
        size = len(self.arrays[0])
        rows = np.arange(self.seen, self.seen + len(columns[0])) % size
        for array, column in zip(self.arrays, columns, strict=True):
            array[rows] = column.reshape(-1, *array.shape[1:])
        self.seen += len(rows)

    def sample(self, count, draws, device):
        rows = draws.integers(0, min(self.seen, len(self.arrays[0])), count)
        return [gpudl.tensor(array[rows]).to(device) for array in self.arrays]


def greedy(network, observations, device):
    with gpudl.no_grad():
        return network(gpudl.tensor(observations).to(device)).argmax(1).cpu().numpy()


def mean_return(env, act):
    """Over 20 episodes, played side by side; always the same starts."""
    states = env.start(EPISODES, gpudl.random.stream("start"))
    total, playing = np.zeros(EPISODES), np.ones(EPISODES, bool)
    for _ in range(env.limit):
        states, rewards, ended = env.step(states, act(env.observe(states)))
        total += rewards * playing
        playing &= ~ended
    return total.mean()


def train(env, network, epochs, device):
    rounds = epochs * 1000 // COPIES
    target, criterion = copy.deepcopy(network), nn.SmoothL1Loss()
    optimizer = optim.Adam(network.parameters(), lr=env.lr)
    schedule = optim.lr_scheduler.LinearLR(optimizer, start_factor=1, end_factor=0, total_iters=rounds)
    draws, memory = gpudl.random.stream("explore"), Memory(50_000, env.features)
    states, ages = env.start(COPIES, draws), np.zeros(COPIES, int)
    for round in range(rounds):
        before = env.observe(states)
        explore = draws.uniform(COPIES) < max(0.05, 1 - round / rounds / env.exploring)
        actions = np.where(explore, draws.integers(0, env.actions, COPIES), greedy(network, before, device))
        states, rewards, ended = env.step(states, actions)
        memory.add(before, actions, env.unit * rewards, env.observe(states), ended)

        # An episode that is only cut off for its length has not ended: what would follow still counts.
        ages += 1
        over = ended | (ages == env.limit)
        states, ages = np.where(over[:, None], env.start(COPIES, draws), states), np.where(over, 0, ages)

        now, action, reward, then, end = memory.sample(BATCH, draws, device)
        with gpudl.no_grad():
            best = network(then).argmax(1, keepdim=True)
            wanted = reward + env.discount * (1 - end) * target(then).gather(1, best).squeeze(1)
        loss = criterion(network(now).gather(1, action).squeeze(1), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if round % REFRESH == 0:
            target.load_state_dict(network.state_dict())
        if (round + 1) * COPIES % 1000 == 0:
            print(f"epoch {(round + 1) * COPIES // 1000}: loss {loss.item():.4f}", file=sys.stderr)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", choices=["gridworld", "cartpole"], default="gridworld", help="default: %(default)s")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument(
        "--epochs", type=int, help="thousands of steps (default: 12 for the gridworld, 40 for the pole)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)

    env = GridWorld() if args.env == "gridworld" else CartPole()
    epochs = env.epochs if args.epochs is None else args.epochs
    if epochs < 1:
        parser.error("--epochs must be at least 1")
    try:
        device = gpudl.device(args.device)
        gpudl.manual_seed(args.seed)
        network = nn.Sequential(
            nn.Linear(env.features, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, env.actions)
        ).to(device)
    except gpudl.DeviceError as error:
        print(f"dqn: {error}", file=sys.stderr)
        return 2

    draws = gpudl.random.stream("chance")
    chance = mean_return(env, lambda seen: draws.integers(0, env.actions, len(seen)))
    train(env, network, epochs, device)
    learned = mean_return(env, lambda seen: greedy(network, seen, device))
    print(f"mean return over {EPISODES} greedy episodes: {learned:.2f} (at random: {chance:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
