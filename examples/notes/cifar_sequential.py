"""The CIFAR-10 quick model as one Sequential: three times convolution and pooling, then two linear layers."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 32, 5, padding=2),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 32, 5, padding=2),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 5, padding=2),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(1024, 64),
    nn.Linear(64, 10),
)
print(model)

x = torch.ones((4, 3, 32, 32))
for layer in model:
    x = layer(x)
    print(type(layer).__name__, tuple(x.shape))
print(x.shape, len(model), model[7].in_features)

images, labels = torch.randn(4, 3, 32, 32), torch.tensor([3, 8, 8, 0])
loss = nn.CrossEntropyLoss()(model(images), labels)
loss.backward()
print(f"{loss.item():.4f}", tuple(model[0].weight.grad.shape))
