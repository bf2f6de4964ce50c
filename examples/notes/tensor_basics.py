"""Making tensors, arithmetic, broadcasting, indexing, reductions, products: what each line gives is printed."""

import torch

x = torch.arange(12)
print(x, x.shape, x.numel())
X = x.reshape(3, 4)
print(X)
print(torch.zeros((2, 3, 4)))
print(torch.ones(2, 3, dtype=torch.float64))
print(torch.tensor([[2, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]]))

# Arithmetic works element by element.
x = torch.tensor([1.0, 2, 4, 8])
y = torch.tensor([2, 2, 2, 2])
print(x + y, x - y, x * y, x / y, x**y, sep="\n")
print(torch.exp(x))

# Joining, comparing, summing.
X = torch.arange(12, dtype=torch.float32).reshape((3, 4))
Y = torch.tensor([[2.0, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]])
print(torch.cat((X, Y), dim=0), torch.cat((X, Y), dim=1), sep="\n")
print(X == Y)
print(X.sum(), X.mean(), X.max(), X.argmax())

# A column and a row broadcast to a matrix.
a = torch.arange(3).reshape((3, 1))
b = torch.arange(2).reshape((1, 2))
print(a + b)

# Reading and writing parts.
print(X[-1], X[1:3], sep="\n")
X[1, 2] = 9
X[0:2, :] = 12
print(X)

# In place: the same memory holds the result.
before = id(Y)
Y += X
print(id(Y) == before)
Z = torch.zeros_like(Y)
Z[:] = X + Y
print(Z)

# To NumPy and to Python numbers.
A = X.numpy()
print(type(A).__name__, type(torch.tensor(A)) is torch.Tensor)
a = torch.tensor([3.5])
print(a, a.item(), float(a), int(a))

# Reductions along an axis, with and without keeping it.
A = torch.arange(20, dtype=torch.float32).reshape(5, 4)
print(A.T)
print(A.sum(axis=0), A.sum(axis=1), A.sum(axis=[0, 1]))
print(A.mean(axis=0), A.sum(axis=0) / A.shape[0])
total = A.sum(axis=1, keepdims=True)
print(total, A / total, sep="\n")
print(A.cumsum(axis=0))

# Products and norms.
x = torch.arange(4, dtype=torch.float32)
y = torch.ones(4, dtype=torch.float32)
print(torch.dot(x, y), torch.sum(x * y))
print(torch.mv(A, x), A @ x)
print(torch.mm(A, torch.ones(4, 3)))
u = torch.tensor([3.0, -4.0])
print(torch.norm(u), torch.abs(u).sum(), torch.norm(torch.ones((4, 9))))
