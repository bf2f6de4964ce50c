"""A dataset of one's own, batches in a shuffled order, the last incomplete batch kept or dropped."""

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return torch.tensor([float(i)]), i * i


torch.manual_seed(0)
for numbers, squares in DataLoader(Squares(10), batch_size=4, shuffle=True):
    print(numbers.flatten(), squares)
for numbers, squares in DataLoader(Squares(10), batch_size=4, drop_last=True):
    print(numbers.shape, squares.tolist())

x, y = torch.rand(6, 2), torch.arange(6)
loader = DataLoader(TensorDataset(x, y), batch_size=2, shuffle=True)
print(len(loader), [labels.tolist() for _, labels in loader])
