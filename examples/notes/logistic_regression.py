"""Logistic regression: one linear layer, binary cross-entropy on the logits, plain gradient descent."""

import torch
import torch.nn as nn
import torch.optim as optim

torch.manual_seed(0)
inputs = torch.randn(100, 2)
labels = (inputs[:, :1] + 2 * inputs[:, 1:] > 0.5).float()

model = nn.Linear(2, 1)
criterion = nn.BCEWithLogitsLoss()
optimizer = optim.SGD(model.parameters(), lr=0.5)

for epoch in range(50):
    outputs = model(inputs)
    loss = criterion(outputs, labels)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch:2d}  loss {loss.item():.4f}")

with torch.no_grad():
    correct = ((model(inputs) > 0).float() == labels).float().mean()
print(f"accuracy {correct.item():.2f}")
print(model.weight.shape, model.bias.shape)
