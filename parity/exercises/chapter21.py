"""Chapter 21: returns, advantages, the Bellman equation, the policy gradient."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import halves, tensors

discounts = st.sampled_from([0.0, 0.5, 0.75, 1.0])
rewards = st.lists(halves, min_size=1, max_size=4)


@exercise(
    rewards=rewards,
    discount=discounts,
    mistake=lambda rewards, discount: [sum(rewards[t:]) for t in range(len(rewards))],
)
def returns(rewards, discount):
    r"""The list of the returns (回报) $G_t = r_{t+1} + \gamma G_{t+1}$ of an episode. `rewards` is the list
    $r_1, \dots, r_T$, `discount` is $\gamma$; after the end nothing comes."""
    found, after = [], 0.0
    for reward in reversed(rewards):
        after = reward + discount * after
        found.append(after)
    return found[::-1]


@exercise(
    rewards.flatmap(
        lambda drawn: st.fixed_dictionaries(
            {
                "rewards": st.just(drawn),
                "values": st.lists(halves, min_size=len(drawn), max_size=len(drawn)),
                "last": halves,
                "discount": discounts,
                "decay": discounts,
            }
        )
    ),
    mistake=lambda rewards, values, last, discount, decay: [
        r + discount * v - w for r, v, w in zip(rewards, [*values[1:], last], values, strict=True)
    ],
)
def advantages(rewards, values, last, discount, decay):
    r"""The list of the advantages (优势) $A_t = \delta_t + \gamma \lambda A_{t+1}$ with
    $\delta_t = r_{t+1} + \gamma V(s_{t+1}) - V(s_t)$. `values` is the list $V(s_0), \dots, V(s_{T-1})$, `last` is
    $V(s_T)$; `discount` is $\gamma$, `decay` is $\lambda$."""
    found, after = [], 0.0
    for t in reversed(range(len(rewards))):
        following = values[t + 1] if t + 1 < len(values) else last
        after = rewards[t] + discount * following - values[t] + discount * decay * after
        found.append(after)
    return found[::-1]


@exercise(
    st.integers(1, 3).flatmap(
        lambda n: st.fixed_dictionaries(
            {
                "rewards": tensors(n),
                "q_after": tensors(n, 2),
                "terminated": tensors(n, numbers=st.integers(0, 1), dtype=torch.float32),
                "discount": discounts,
            }
        )
    ),
    mistake=lambda rewards, q_after, terminated, discount: rewards + discount * q_after.max(1).values,
)
def q_goal(rewards, q_after, terminated, discount):
    """The right-hand side of the Bellman equation (贝尔曼方程) for N steps, a tensor (N,). `q_after` (N, actions) is what the
    network says about the states after them, `terminated` (N,) is 1 where the episode was over, else 0."""
    return rewards + discount * (1 - terminated) * q_after.max(1).values


@exercise(
    st.integers(1, 3).flatmap(
        lambda n: st.fixed_dictionaries(
            {
                "logits": tensors(n, 2),
                "actions": tensors(n, numbers=st.integers(0, 1), dtype=torch.int64),
                "weights": tensors(n),
            }
        )
    ),
    mistake=lambda logits, actions, weights: -(logits.softmax(1)[range(len(actions)), actions] * weights).mean(),
)
def policy_gradient_loss(logits, actions, weights):
    r"""The loss of REINFORCE, $-\frac{1}{T} \sum_t w_t \ln \pi(a_t \mid s_t)$, where $\pi$ is the softmax of `logits`
    (T, actions); `actions` is int64 (T,), `weights` (T,). The result has no dimension."""
    log_pi = logits - logits.exp().sum(1, keepdim=True).log()
    return -(log_pi[range(len(actions)), actions] * weights).mean()
