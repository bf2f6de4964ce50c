"""From text to tokens and back: single characters, and byte pairs.

Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword units" (ACL 2016), algorithm 1, over the
bytes of UTF-8 (Radford et al. 2019, section 2.2), so that there is no text without tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

Pair = tuple[int, int]


class CharacterTokenizer:
    """One token for each character of `text`, in alphabetical order."""

    def __init__(self, text: str):
        self.characters = sorted(set(text))
        self.index = {character: i for i, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """ValueError for a character that the vocabulary lacks."""
        if unknown := sorted(set(text) - self.index.keys()):
            raise ValueError(f"CharacterTokenizer: no token for {', '.join(map(repr, unknown))}")
        return [self.index[character] for character in text]

    def decode(self, tokens: Iterable[int]) -> str:
        return "".join(self.characters[token] for token in tokens)


class BytePairTokenizer:
    """Tokens 0 to 255 are the bytes; token 256 + k is the pair `merges[k]`, glued together.

    Trained: again and again the most frequent pair of neighbours becomes a token, until there are `vocabulary` of them
    or no pair occurs twice. Between equally frequent pairs the one that occurs first wins.
    """

    def __init__(self, text: str, vocabulary: int):
        if vocabulary < 256:
            raise ValueError(f"BytePairTokenizer: a vocabulary has at least the 256 bytes, not {vocabulary}")
        self.merges: list[Pair] = []
        self.meaning = [bytes([byte]) for byte in range(256)]
        tokens = list(text.encode())
        while len(self.meaning) < vocabulary and len(tokens) > 1:
            pair, count = Counter(zip(tokens, tokens[1:], strict=False)).most_common(1)[0]
            if count < 2:
                break
            tokens = merged(tokens, pair, len(self.meaning))
            self.merges.append(pair)
            self.meaning.append(self.meaning[pair[0]] + self.meaning[pair[1]])

    def __len__(self) -> int:
        return len(self.meaning)

    def encode(self, text: str) -> list[int]:
        """Of the pairs in the text that have a token, the one learnt first is merged everywhere; and so on."""
        tokens = list(text.encode())
        rank = {pair: k for k, pair in enumerate(self.merges)}
        while len(tokens) > 1:
            first = min(zip(tokens, tokens[1:], strict=False), key=lambda pair: rank.get(pair, len(rank)))
            if first not in rank:
                break
            tokens = merged(tokens, first, 256 + rank[first])
        return tokens

    def decode(self, tokens: Iterable[int]) -> str:
        """Bytes that are no UTF-8, which only a cut-off character leaves, become U+FFFD."""
        return b"".join(self.meaning[token] for token in tokens).decode(errors="replace")


def merged(tokens: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Each occurrence of `pair`, from the left, replaced by the token `new`."""
    out: list[int] = []
    i = 0
    while i < len(tokens):
        if i + 1 < len(tokens) and (tokens[i], tokens[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out
