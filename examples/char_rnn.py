"""A character-level recurrent network that writes in the manner of its source (Elman 1990, "Finding structure in time";
Karpathy 2015, "The unreasonable effectiveness of recurrent neural networks").

h_t = tanh(W_x x_t + b_x + W_h h_{t-1} + b_h),   P(next character) = softmax(W_o h_t + b_o)

Backpropagation through time is cut every 16 characters: the state goes on, its history does not. The gradients of
a recurrent network can explode, so their values are clipped (Pascanu et al. 2013). The text is the first page of
Lewis Carroll's "Alice's Adventures in Wonderland" (1865).
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

TEXT = """Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once
or twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it, "and
what is the use of a book," thought Alice "without pictures or conversations?" So she was considering in her own mind
(as well as she could, for the hot day made her feel very sleepy and stupid), whether the pleasure of making a
daisy-chain would be worth the trouble of getting up and picking the daisies, when suddenly a White Rabbit with pink
eyes ran close by her. There was nothing so very remarkable in that; nor did Alice think it so very much out of the
way to hear the Rabbit say to itself, "Oh dear! Oh dear! I shall be late!" But when the Rabbit actually took a watch
out of its waistcoat-pocket, and looked at it, and then hurried on, Alice started to her feet, for it flashed across
her mind that she had never before seen a rabbit with either a waistcoat-pocket, or a watch to take out of it, and
burning with curiosity, she ran across the field after it, and fortunately was just in time to see it pop down a large
rabbit-hole under the hedge.""".replace("\n", " ")

ALPHABET = sorted(set(TEXT))
INDEX = {character: i for i, character in enumerate(ALPHABET)}


def encode(text):
    return torch.tensor([INDEX[character] for character in text])


class CharRNN(nn.Module):
    def __init__(self, characters, hidden):
        super().__init__()
        self.cell = nn.RNNCell(characters, hidden, nonlinearity="tanh")
        self.readout = nn.Linear(hidden, characters)
        nn.init.orthogonal_(self.cell.weight_hh)  # keeps the length of the state (Saxe et al. 2014)

    def forward(self, x, state):
        """x: (T, N) characters, state: (N, hidden) -> logits (T, N, characters), the state after the last"""
        one_hot = F.one_hot(x, self.readout.out_features).to(state.dtype)
        states = []
        for x_t in one_hot.unbind(dim=0):
            state = self.cell(x_t, state)
            states.append(state)
        return self.readout(torch.stack(states)), state


@torch.no_grad()
def write(model, start, length, temperature):
    """Draw one character after the other from softmax(logits / temperature)."""
    state = torch.zeros(1, model.cell.hidden_size)
    text = start
    x = encode(start).unsqueeze(1)
    for _ in range(length):
        logits, state = model(x, state)
        x = torch.multinomial((logits[-1] / temperature).softmax(dim=-1), 1)  # (1, 1)
        text += ALPHABET[x.item()]
    return text


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    batch, through = 8, 16
    data = encode(TEXT)
    columns = (
        data[: len(data) // batch * batch].view(batch, -1).t()
    )  # (length, N): each column reads on where it stopped
    model = CharRNN(len(ALPHABET), hidden=64)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.03, initial_accumulator_value=1e-3)

    losses = []
    while len(losses) < args.steps:
        state = torch.zeros(batch, 64)
        for start in range(0, len(columns) - through, through):
            x, y = columns[start : start + through], columns[start + 1 : start + through + 1]
            state = state.detach()
            logits, state = model(x, state)
            loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 0.5)
            optimizer.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    print(f"bits per character {losses[-1] / torch.log(torch.tensor(2.0)).item():.3f}")
    print(repr(write(model, "Alice ", 60, temperature=0.7)))
    return losses


if __name__ == "__main__":
    main()
