"""The stream of pseudo-random bits behind every sampler: the Mersenne Twister, read as torch's CPU generator reads it.

MT19937 (Matsumoto & Nishimura 1998) holds 624 words of 32 bits, and NumPy ships the same algorithm with the same
seeding (`init_genrand`), so NumPy's bit generator is the engine; what is added here is torch's bookkeeping: 64-bit
seeds of which the low 32 bits count, the normal number kept back by Box-Muller, and the byte layout of the state, so
that a state saved by one library goes on in the other. What the numbers are turned into is in `samplers.py`.
"""

from __future__ import annotations

import ctypes
import os

import numpy as np

DEFAULT_SEED = 67280421310721
WORDS = 624
LOW_32_BITS = 0xFFFFFFFF

# The bytes of `torch.get_rng_state()`: a C struct, with the compiler's padding written out. `left` counts the words
# until the next twist plus one, `next` is the index of the next word; the fields of `normal` that torch no longer
# uses are zero.
STATE_LAYOUT = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u8", WORDS),
        ("normal_x", "<f8"),
        ("normal", "<f8"),
        ("normal_rho", "<f8"),
        ("normal_is_valid", "<i4"),
        ("padding", "<i4"),
        ("float_normal", "<f4"),
        ("float_normal_is_valid", "u1"),
        ("end_padding", "u1", 3),
    ]
)


class Generator:
    """A stream of random numbers: `manual_seed`, `seed`, `initial_seed`, and the state to save and restore.

    `spare_normal` is the second number of the last Box-Muller pair, if nobody has taken it yet.
    """

    __slots__ = ("_engine", "_seeder", "_seed", "_memory", "lock", "spare_normal", "__weakref__")

    def __init__(self, device="cpu"):
        if str(device) != "cpu":
            raise RuntimeError(f"Generator: only the device cpu is available, got {device}")
        self._engine = np.random.MT19937(0)
        self._seeder = np.random.RandomState(self._engine)
        self._memory: np.ndarray | None = None
        self.lock = self._engine.lock
        self._restart(DEFAULT_SEED)

    def _restart(self, seed: int) -> None:
        self._seed = seed
        self._seeder.seed(seed & LOW_32_BITS)
        self.spare_normal: float | None = None

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed`, -2**63 <= seed < 2**64 (a negative one counts from 2**64); returns self."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise RuntimeError(f"manual_seed expected an int, but got {type(seed).__name__}")
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: {seed} does not fit into 64 bits")
        self._restart(seed % 2**64)
        return self

    def seed(self) -> int:
        """Start a stream from a seed that the operating system draws, and return that seed."""
        self._restart(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed this stream was started from."""
        return self._seed

    def words(self, count: int) -> np.ndarray:
        """The next `count` draws of 32 bits: uint64 (count,)."""
        return self._engine.random_raw(count)

    def long_words(self, count: int) -> np.ndarray:
        """The next `count` draws of 64 bits, two words each with the high one first: uint64 (count,)."""
        words = self._engine.random_raw(2 * count)
        return words[0::2] << np.uint64(32) | words[1::2]

    @property
    def memory(self) -> np.ndarray:
        """The engine's own memory: its 624 words and the index of the next one, uint32 (625,). Compiled code draws
        from it, and holds `lock` while it does."""
        if self._memory is None:
            layout = ctypes.c_uint32 * (WORDS + 1)
            self._memory = np.ctypeslib.as_array(layout.from_address(self._engine.ctypes.state_address))
        return self._memory

    @property
    def state(self) -> np.ndarray:
        """The whole state as torch lays it out: uint8 (5056,). Assigning it continues from there.

        TypeError for another dtype; RuntimeError for another size or a state that no generator can be in.
        """
        words, position = self.memory[:WORDS], int(self.memory[WORDS])
        state = np.zeros((), STATE_LAYOUT)
        state["seed"] = self._seed
        state["left"] = WORDS + 1 - position
        state["seeded"] = 1
        # Before the first draw torch's index stands at 0 rather than at the end; the first word still is the seed.
        untouched = position == WORDS and int(words[0]) == self._seed & LOW_32_BITS
        state["next"] = 0 if untouched else position
        state["words"] = words
        if self.spare_normal is not None:
            state["normal"] = self.spare_normal
            state["normal_is_valid"] = 1
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    @state.setter
    def state(self, new: np.ndarray) -> None:
        if not isinstance(new, np.ndarray) or new.dtype != np.uint8:
            raise TypeError("the state of a generator must be an array of uint8")
        if new.size != STATE_LAYOUT.itemsize:
            raise RuntimeError(f"expected a generator state of {STATE_LAYOUT.itemsize} bytes, but got {new.size}")
        state = np.frombuffer(new.tobytes(), STATE_LAYOUT)[0]
        if state["seeded"] != 1 or not 0 < state["left"] <= WORDS or state["next"] > WORDS:
            raise RuntimeError("invalid mt19937 state")
        self._engine.state = {
            "bit_generator": "MT19937",
            "state": {
                "key": (state["words"] & LOW_32_BITS).astype(np.uint32),
                "pos": WORDS + 1 - int(state["left"]),
            },
        }
        self._seed = int(state["seed"])
        self.spare_normal = float(state["normal"]) if state["normal_is_valid"] else None

    def clone_state(self) -> Generator:
        """A second generator that goes on from the same state, independently."""
        other = Generator()
        other.state = self.state
        return other

    def __copy__(self) -> Generator:
        return self.clone_state()

    def __deepcopy__(self, memo) -> Generator:
        return self.clone_state()

    def __reduce__(self):
        return _from_state, (self.state,)


def _from_state(state: np.ndarray) -> Generator:
    generator = Generator()
    generator.state = state
    return generator


default_generator = Generator()
default_generator.seed()
