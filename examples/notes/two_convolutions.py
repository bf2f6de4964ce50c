"""Two convolutions with relu as a Module of one's own."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 20, 5)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        return F.relu(self.conv2(x))


torch.manual_seed(0)
model = Model()
print(model)
x = torch.rand(2, 1, 16, 16, requires_grad=True)
y = model(x)
print(y.shape, y.requires_grad, bool((y >= 0).all()))
print(f"{y.sum().item():.2f}")
y.sum().backward()
print(x.grad.shape, model.conv1.weight.grad.shape, model.conv2.bias.grad.shape)
print([name for name, _ in model.named_children()], len(model.state_dict()))
