"""The gradient of y = 2 x.x is 4 x; gradients accumulate; detaching; a gradient through Python's control flow."""

import torch

x = torch.arange(4.0)
x.requires_grad_(True)
print(x, x.grad)
y = 2 * torch.dot(x, x)
print(y)
y.backward()
print(x.grad)
print(x.grad == 4 * x)

# Another function; without zeroing, the gradients would add up.
x.grad.zero_()
y = x.sum()
y.backward()
print(x.grad)

# A vector: its elements are summed, so that the gradient is that of each element.
x.grad.zero_()
y = x * x
y.sum().backward()
print(y, x.grad)

# u is a number to the gradient, not a function of x.
x.grad.zero_()
y = x * x
u = y.detach()
z = u * x
z.sum().backward()
print(x.grad == u, u.requires_grad)


def f(a):
    """Linear in pieces, whatever path it takes: its gradient is f(a) / a."""
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    return b if b.sum() > 0 else 100 * b


torch.manual_seed(1)
a = torch.randn(size=(), requires_grad=True)
d = f(a)
d.backward()
print(a.grad == d / a, a.grad)

with torch.no_grad():
    print((x * 2).requires_grad)
print((x * 2).requires_grad, x.is_leaf, y.is_leaf)
