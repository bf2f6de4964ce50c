"""Knowledge distillation with a momentum teacher (Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural
network"; Tarvainen and Valpola 2017, "Mean teachers are better role models").

The teacher is the student's own moving average, w' <- m w' + (1 - m) w, and sees the same picture with other noise.
Few examples are labelled; on all of them the student should say what the teacher says, softened by a temperature T:

    loss = CE(student, label) + ramp T^2 KL(softmax(teacher / T) || softmax(student / T))
"""

import argparse
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, Dataset, RandomSampler, Subset

CLASSES, UNLABELLED = 5, -1


class Waves(Dataset):
    """One-dimensional signals of five forms, at a random phase and frequency. signal: (1, 64), label; -1 where hidden"""

    def __init__(self, n, labelled):
        t = torch.linspace(0, 1, 64)
        self.labels = torch.arange(n) % CLASSES
        turns = t * torch.empty(n, 1).uniform_(2, 4) + torch.rand(n, 1)
        turn = turns.frac()
        forms = torch.stack([
            torch.sin(2 * math.pi * turn),  # sine
            torch.sign(turn - 0.5),  # square
            2 * turn - 1,  # saw
            4 * (turn - 0.5).abs() - 1,  # triangle
            torch.sin(2 * math.pi * turn) * torch.sin(4 * math.pi * turn),  # modulated
        ])  # fmt: skip
        self.signals = forms[self.labels, torch.arange(n)].unsqueeze(1)  # (n, 1, 64)
        self.shown = torch.where(torch.arange(n) < labelled, self.labels, UNLABELLED)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.signals[i], self.shown[i]


def disturb(signals):
    """Noise, another amplitude, a shift in time."""
    signals = torch.roll(signals, shifts=torch.randint(64, ()).item(), dims=-1)
    return signals * (1 + 0.1 * torch.randn(len(signals), 1, 1)) + 0.15 * torch.randn_like(signals)


def network(dropout=0.2):
    return nn.Sequential(
        nn.Conv1d(1, 16, 7, padding=3, padding_mode="circular"), nn.BatchNorm1d(16), nn.Softplus(), nn.AvgPool1d(2),
        nn.Conv1d(16, 32, 5, padding=2, padding_mode="circular"), nn.BatchNorm1d(32), nn.Softplus(), nn.AdaptiveMaxPool1d(4),
        nn.Flatten(), nn.Dropout(dropout), nn.Linear(128, CLASSES),
    )  # fmt: skip


@torch.no_grad()
def follow(teacher, student, momentum):
    """w' <- m w' + (1 - m) w, in place; statistics of the norms are copied."""
    for ours, theirs in zip(teacher.parameters(), student.parameters(), strict=True):
        ours.lerp_(theirs, 1 - momentum)
    for ours, theirs in zip(teacher.buffers(), student.buffers(), strict=True):
        ours.copy_(theirs)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=2.0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    labelled = 40
    data = Waves(640, labelled)
    # the labelled ones several times, or most batches would hold none
    data = ConcatDataset([Subset(data, range(labelled))] * 4 + [Subset(data, range(labelled, 640))])
    loader = DataLoader(data, batch_sampler=BatchSampler(RandomSampler(data), batch_size=40, drop_last=True))
    test = Waves(200, 200)
    student = network()
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.005, momentum=0.9, nesterov=True, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.steps, eta_min=1e-3)
    kl = nn.KLDivLoss(reduction="batchmean", log_target=True)
    T = args.temperature

    losses = []
    while len(losses) < args.steps:
        student.train()
        teacher.train()
        for signals, labels in loader:
            says = student(disturb(signals))
            with torch.no_grad():
                taught = teacher(disturb(signals))
            ramp = math.exp(-5 * (1 - min(1, len(losses) / (0.3 * args.steps))) ** 2)
            imitation = T**2 * kl(F.log_softmax(says / T, dim=1), F.log_softmax(taught / T, dim=1))
            loss = F.cross_entropy(says, labels, ignore_index=UNLABELLED) + ramp * imitation
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            follow(teacher, student, momentum=min(0.95, 1 - 1 / (len(losses) + 2)))
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f} imitation {imitation.item():.4f}")
            if len(losses) == args.steps:
                break

    for name, model in (("student", student), ("teacher", teacher)):
        model.eval()
        with torch.no_grad():
            accuracy = (model(test.signals).argmax(dim=1) == test.labels).double().mean()
        print(f"{name}: test accuracy {accuracy.item():.3f}")
    return losses


if __name__ == "__main__":
    main()
