"""L-BFGS: a quasi-Newton method for functions without noise."""

from __future__ import annotations

from collections.abc import Callable

from ..core.state import enable_grad, no_grad
from ..core.tensor import Tensor
from ..ops.join import cat
from .line_search import strong_wolfe
from .optimizer import Optimizer, check_lr


class LBFGS(Optimizer):
    """p += t d, d = -H g, where H estimates the inverse Hessian from the last history_size steps. Liu, Nocedal (1989).

    `step(closure)` makes up to max_iter iterations and evaluates the closure up to max_eval times. All parameters are
    in one group. line_search_fn: None (t = lr), or "strong_wolfe". Stops when the largest gradient is at most
    tolerance_grad, or loss or parameters change by less than tolerance_change.
    """

    _tensor_step = False

    def __init__(
        self,
        params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        super().__init__(
            params,
            dict(
                lr=lr,
                max_iter=max_iter,
                max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                tolerance_grad=tolerance_grad,
                tolerance_change=tolerance_change,
                history_size=history_size,
                line_search_fn=line_search_fn,
            ),
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def _gradient(self) -> Tensor:
        """All gradients as one vector."""
        return cat([p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in self._params])

    def _move(self, step: float, direction: Tensor) -> None:
        start = 0
        for p in self._params:
            part = direction[start : start + p.numel()]
            p.add_(part.view(p.shape), alpha=float(step))
            start += p.numel()

    @no_grad()
    def step(self, closure: Callable[[], float]):
        """Iterate. closure: computes the loss anew and calls backward. Returns the loss at the start."""

        def evaluate():
            with enable_grad():
                return closure()

        group, state = self.param_groups[0], self.state[self._params[0]]
        lr, max_iter, max_eval = float(group["lr"]), group["max_iter"], group["max_eval"]
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = evaluate()
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if gradient.abs().max() <= group["tolerance_grad"]:
            return first_loss

        iterations = 0
        while iterations < max_iter:
            iterations += 1
            state["n_iter"] += 1
            first = state["n_iter"] == 1
            direction = -gradient if first else self._direction(gradient, state, group["history_size"])
            if first:
                state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            state["prev_flat_grad"], previous_loss = gradient.clone(), loss
            # Nothing is known about the scale at first.
            t = min(1.0, 1.0 / float(gradient.abs().sum())) * lr if first else lr
            state.update(d=direction, t=t, prev_loss=previous_loss)
            slope = gradient.dot(direction)
            if slope > -group["tolerance_change"]:
                break

            new_evaluations = 0
            if search is not None:
                loss, gradient, t, new_evaluations = self._search(
                    evaluate, t, direction, loss, gradient, slope, max_eval - evaluations
                )
                state["t"] = t
                self._move(t, direction)
                converged = gradient.abs().max() <= group["tolerance_grad"]
            else:
                self._move(t, direction)
                converged = False
                if iterations != max_iter:
                    loss = float(evaluate())
                    gradient = self._gradient()
                    converged = gradient.abs().max() <= group["tolerance_grad"]
                    new_evaluations = 1
            evaluations += new_evaluations
            state["func_evals"] += new_evaluations

            if iterations == max_iter or evaluations >= max_eval or converged:
                break
            if (direction * t).abs().max() <= group["tolerance_change"]:
                break
            if abs(loss - previous_loss) < group["tolerance_change"]:
                break
        return first_loss

    def _direction(self, gradient: Tensor, state: dict, history_size: int) -> Tensor:
        """-H g by the two-loop recursion, after the last step s with change of gradient y went into the history."""
        old_dirs, old_stps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y = gradient - state["prev_flat_grad"]
        s = state["d"] * state["t"]
        ys = y.dot(s)
        if ys > 1e-10:
            if len(old_dirs) == history_size:
                for history in (old_dirs, old_stps, ro):
                    history.pop(0)
            old_dirs.append(y)
            old_stps.append(s)
            ro.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        alphas: dict[int, Tensor] = {}
        q = -gradient
        for i in range(len(old_dirs) - 1, -1, -1):
            alphas[i] = old_stps[i].dot(q) * ro[i]
            q.add_(old_dirs[i], alpha=-alphas[i].item())
        r = q * state["H_diag"]
        for i in range(len(old_dirs)):
            beta = old_dirs[i].dot(r) * ro[i]
            r.add_(old_stps[i], alpha=(alphas[i] - beta).item())
        state["al"] = [alphas.get(i) for i in range(history_size)]
        return r

    def _search(
        self, evaluate, t, direction: Tensor, loss: float, gradient: Tensor, slope: Tensor, max_evaluations: int
    ):
        start = [p.clone() for p in self._params]

        def at(step: float) -> tuple[float, Tensor]:
            """Loss and gradient at start + step * direction; the parameters return to the start."""
            self._move(step, direction)
            value = float(evaluate())
            result = value, self._gradient()
            for p, p_start in zip(self._params, start, strict=True):
                p.copy_(p_start)
            return result

        return strong_wolfe(at, t, direction, loss, gradient, slope, max_steps=max_evaluations)
