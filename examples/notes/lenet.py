"""LeNet as the notes write it, for 28 x 28 pictures with one channel."""

import torch
import torch.nn as nn


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)  # 1 channel in, 6 out, 5 x 5 kernel
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(256, 120)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        y = self.pool1(self.relu1(self.conv1(x)))
        y = self.pool2(self.relu2(self.conv2(y)))
        y = y.view(y.shape[0], -1)  # [b, c, h, w] to [b, c*h*w]
        y = self.relu3(self.fc1(y))
        y = self.relu4(self.fc2(y))
        return self.fc3(y)


torch.manual_seed(0)
model = LeNet()
print(model)
for name, parameter in model.named_parameters():
    print(name, tuple(parameter.shape), parameter.numel())
print(sum(p.numel() for p in model.parameters()))
print(model.conv1.bias)

x = torch.rand(4, 1, 28, 28)
for layer in (model.conv1, model.relu1, model.pool1, model.conv2, model.relu2, model.pool2):
    x = layer(x)
    print(type(layer).__name__, x.shape)

images, labels = torch.rand(8, 1, 28, 28), torch.randint(0, 10, (8,))
print(labels)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(5):
    optimizer.zero_grad()
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
print(model(images).argmax(dim=1).shape)
