"""A graph convolutional and a graph attention layer find communities (Kipf and Welling 2017, "Semi-supervised
classification with graph convolutional networks"; Velickovic et al. 2018, "Graph attention networks").

    GCN:  h_i = sum over edges j -> i of  W x_j / sqrt(d_i d_j)
    GAT:  h_i = sum_j a_ij W x_j,   a_ij = softmax over j of leaky_relu(a . [W x_i; W x_j])

A graph is a list of edges, (2, E): messages are gathered along it by an index and summed up by `index_add` or
`scatter_reduce`. Few nodes are labelled; the others are classified by whom they know.
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

COMMUNITIES = 4


def stochastic_block_model(n, inside=0.12, between=0.01):
    """features: (n, 16), labels: (n,), edges: (2, E) in both directions and from every node to itself"""
    labels = torch.arange(n) % COMMUNITIES
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    known = torch.bernoulli(torch.where(same, inside, between).triu(diagonal=1)).bool()
    known = known | known.T | torch.eye(n, dtype=torch.bool)
    features = torch.randn(n, 16)
    features[:, :COMMUNITIES] += 0.7 * F.one_hot(labels, COMMUNITIES)  # a faint hint
    return features, labels, known.nonzero().T


class GCNConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, edges):
        source, target = edges
        x = x @ self.weight
        degree = torch.bincount(target, minlength=len(x)).to(x.dtype)
        norm = degree.rsqrt()
        messages = x[source] * (norm[source] * norm[target]).unsqueeze(1)  # (E, outputs)
        return torch.zeros_like(x).index_add(0, target, messages) + self.bias


class GATConv(nn.Module):
    def __init__(self, inputs, outputs, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.linear = nn.Linear(inputs, heads * outputs, bias=False)
        self.source = nn.Parameter(nn.init.xavier_normal_(torch.empty(heads, outputs)))
        self.target = nn.Parameter(nn.init.xavier_normal_(torch.empty(heads, outputs)))

    def forward(self, x, edges):
        source, target = edges
        h = self.linear(x).view(len(x), self.heads, -1)  # (n, heads, outputs)
        # a . [W x_i; W x_j] is the sum of two halves, each of one node
        scores = (h * self.source).sum(-1)[source] + (h * self.target).sum(-1)[target]  # (E, heads)
        scores = F.leaky_relu(scores, 0.2)
        index = target.unsqueeze(1).expand_as(scores)
        highest = scores.new_zeros(len(x), self.heads).scatter_reduce(
            0, index, scores.detach(), "amax", include_self=False
        )
        e = (scores - highest[target]).exp()
        weights = e / e.new_zeros(len(x), self.heads).scatter_add(0, index, e)[target]
        weights = F.dropout(weights, self.dropout, self.training)
        return torch.zeros_like(h).index_add(0, target, weights.unsqueeze(-1) * h[source]).mean(dim=1)


class GraphNetwork(nn.Module):
    def __init__(self, inputs, hidden, classes, dropout=0.4):
        super().__init__()
        self.first = GCNConv(inputs, hidden)
        self.norm = nn.InstanceNorm1d(hidden, affine=True)
        self.second = GATConv(hidden, classes, heads=4, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, edges):
        h = self.first(self.dropout(x), edges)
        h = self.norm(h.T.unsqueeze(0)).squeeze(0).T  # over the nodes of the graph
        return self.second(self.dropout(F.elu(h)), edges)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    nodes = 240
    features, labels, edges = stochastic_block_model(nodes)
    order = torch.randperm(nodes)
    train, test = order.tensor_split([40])
    model = GraphNetwork(features.shape[1], 32, COMMUNITIES)
    optimizer = torch.optim.Adam(
        [{"params": model.first.parameters(), "weight_decay": 5e-3}, {"params": model.second.parameters()},
         {"params": model.norm.parameters()}], lr=1e-2,
    )  # fmt: skip
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.steps)
    print(f"{nodes} nodes, {edges.shape[1]} edges, {len(train)} labels")

    losses = []
    for step in range(1, args.steps + 1):
        model.train()
        loss = F.nll_loss(model(features, edges).log_softmax(dim=-1)[train], labels[train])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        print(f"step {step} loss {losses[-1]:.6f}")

    model.eval()
    with torch.no_grad():
        predicted = model(features, edges).argmax(dim=1)
    for name, which in (("train", train), ("test", test)):
        right = torch.index_select(predicted == labels, 0, which).sum().item()
        print(f"{name} accuracy {right / len(which):.3f}")
    return losses


if __name__ == "__main__":
    main()
